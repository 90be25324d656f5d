"""The report: one HTML page that needs nothing else."""

import base64
from datetime import timedelta

import jinja2
import pandas as pd

from ablation import statistics
from ablation.statistics import BETTER, SAME, TOO_FEW, WORSE


def render(template, table, comparisons, study, figures, metrics):
    """Return the report as HTML.

    template: text of the Jinja2 template; table: DataFrame of table.COLUMNS; comparisons: of
    statistics.COLUMNS; study: dict of title, descriptions by model, baseline and so on; figures: PNG
    bytes by the name of the file; metrics: the metrics.json of every run.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["duration"] = lambda seconds: str(timedelta(seconds=round(seconds)))
    environment.filters["numbers"] = lambda numbers: " or ".join(f"{number:,}" for number in numbers)
    environment.filters["percent"] = lambda share: f"{100 * share:.2f}"
    environment.filters["points"] = points
    environment.filters["p"] = lambda p: "< 0.0001" if p < 0.0001 else f"{p:.4f}"
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    per_run = pd.DataFrame(metrics)
    return environment.from_string(template).render(
        rows=_records(table),
        families={name: _records(family) for name, family in comparisons.groupby("family")},
        summary=summary(table, comparisons, study["baseline"], metrics[0]["test_images"]),
        study=study,
        figures=figures,
        made={key: sorted(set(per_run[key].dropna())) for key in ("device", "precision", "machine", "git_revision")},
        digests={key: sorted(set(per_run[key])) for key in ("train_digest", "test_digest", "code_digest")},
        finished=(per_run["finished"].min(), per_run["finished"].max()),
        seconds=per_run.drop_duplicates("model_digest")["seconds"].sum(),  # models that train alike share a training
        versions=sorted({f"{name} {version}" for run in metrics for name, version in run["versions"].items()}),
        images={part: sorted(set(per_run[f"{part}_images"])) for part in ("train", "validation", "test")},
        seeds=sorted(set(per_run["seed"])),
        seeds_needed={name: statistics.seeds_needed(len(family)) for name, family in comparisons.groupby("family")},
    )


def _records(frame):
    """Return the rows as dicts, None for what is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def points(difference):
    """Return a difference of accuracies in percentage points, with its sign."""
    return f"{100 * difference:+.2f}".replace("-", "−")


def summary(table, comparisons, baseline, test_images):
    """Return what the study shows, and what it doesn't, as a list of sentences.

    table: DataFrame of table.COLUMNS; comparisons: of statistics.COLUMNS; test_images: their number.
    """
    families = dict(list(comparisons.groupby("family")))
    if not families:
        return [_of_the_best(table, test_images)]
    against, pairs = families["baseline"], families["pairs"]
    if table["seeds"].iloc[0] == 1:
        rest = _of_one_seed(against, baseline)
    elif (against["verdict"] == TOO_FEW).all():
        rest = _of_too_few_seeds(against, baseline)
    else:
        rest = [*_of_verdicts(against, baseline), *_of_ranks(table.iloc[0]["model"], pairs)]
    return [_of_the_best(table, test_images), *rest]


def _of_the_best(table, test_images):
    best = table.iloc[0]
    share = f"{100 * best['test_accuracy']:.2f}% of {test_images:,} test images"
    interval = f"{100 * best['new_low']:.2f} to {100 * best['new_high']:.2f}%"
    if best["seeds"] == 1:
        about = f"one seed; 95% interval of this network on new images: {interval}"
    else:
        about = f"mean of {best['seeds']} seeds; 95% interval of the mean over seeds and new images: {interval}"
    if len(table) == 1:
        return f"{best['model']} classifies {share} correctly ({about})."
    first = _listed(table.loc[table["test_accuracy"] == best["test_accuracy"], "model"])
    return (
        f"The highest accuracy of {len(table)} models is that of {first}: {share} ({about})."
        f" Being the highest of {len(table)}, it is likely to be somewhat too high."
    )


def _of_one_seed(against, baseline):
    apart = _with_points(against[against["mcnemar_p_holm"] < statistics.ALPHA])
    return [
        "With one seed per model nothing is known of what another seed would give, so no model is said to be better or"
        f" worse. {_seeds_that_would_do(against)}",
        f"McNemar's test distinguishes these trained networks from that of the baseline, {baseline}, on new images:"
        f" {apart or 'none'}. That says nothing about other seeds.",
    ]


def _of_too_few_seeds(against, baseline):
    sentences = [
        f"{against['seeds'].iloc[0]} seeds are too few to say which models differ from the baseline, {baseline}: a"
        f" permutation test over them can give no p below {against['smallest_p'].iloc[0]:.2g}."
        f" {_seeds_that_would_do(against)}"
    ]
    apart = against[(against["low"] > 0) | (against["high"] < 0)]
    if len(apart):
        sentences.append(
            "Candidates for a difference, as their interval alone, without any correction, excludes zero:"
            f" {_with_points(apart)}."
        )
    return sentences


def _seeds_that_would_do(against):
    many = len(against)
    comparisons = f"these {many} comparisons" if many > 1 else "this comparison"
    return f"{statistics.seeds_needed(many)} seeds are the fewest that can show anything in {comparisons}."


def _of_verdicts(against, baseline):
    sentences = []
    for verdict, words in (
        (BETTER, "Better than the baseline"),
        (WORSE, "Worse than the baseline"),
        (SAME, f"With {against['seeds'].iloc[0]} seeds not distinguishable from the baseline"),
    ):
        found = against[against["verdict"] == verdict]
        if len(found):
            sentences.append(f"{words}, {baseline}: {_with_points(found)}.")
    here = against[(against["verdict"] != SAME) & (against["new_verdict"] == SAME)]
    if len(here):
        sentences.append(f"Shown for these test images only, not for new ones: {_with_points(here)}.")
    low, high = (f"{100 * against['detectable'].agg(end):.1f}" for end in ("min", "max"))
    size = f"{low} points" if low == high else f"{low} to {high} points, depending on the variant,"
    sentences.append(
        f"A true difference from the baseline of less than {size} would be missed more often than once in five; smaller"
        " ones need more seeds."
    )
    return sentences


def _of_ranks(best, pairs):
    beside = pairs[(pairs["model"] == best) | (pairs["reference"] == best)]
    if (beside["verdict"] == TOO_FEW).all():
        return [
            f"Ranking all models takes {len(pairs)} comparisons and at least"
            f" {statistics.seeds_needed(len(pairs))} seeds."
        ]
    same = beside[beside["verdict"] == SAME]
    others = same["model"].where(same["model"] != best, same["reference"])
    if len(others):
        return [f"Not distinguishable from the best, {best}: {_listed(others)}."]
    return [f"{best} is better than every other model on these images, of {len(pairs)} comparisons."]


def _with_points(rows):
    """Return the models of some comparisons with their differences, largest first, as a list in a sentence."""
    ordered = rows.sort_values("difference", ascending=False, kind="stable")
    return _listed(f"{row.model} ({points(row.difference)} points)" for row in ordered.itertuples())


def _listed(words):
    """Return words as a list in a sentence."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last
