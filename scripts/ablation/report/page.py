"""The report: one HTML page that needs nothing else."""

import base64
import html
from collections.abc import Iterable
from math import comb

import jinja2
import pandas as pd

from ablation.report import statistics
from ablation.report.figures import FORMATS, MANY, catalogue
from ablation.report.outputs import TABLE_FILES
from ablation.report.study import Study
from ablation.report.table import COLUMNS, duration, features, interval, percent, points, records
from ablation.report.wording import AT_CHANCE, BETTER, FEW, ROWS, SAME, TOO_FEW, TOO_WIDE, TOP, WORSE, on_images


def render(template: str, study: Study, figures: dict[str, str], key: str) -> str:
    """Return the report as HTML.

    template: text of the Jinja2 template; figures: SVG by the name of the file, without its suffix; key: of
    everything that the report is made from, which stands at its end.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["duration"] = duration
    environment.filters["numbers"] = lambda numbers: " or ".join(f"{number:,}" for number in numbers)
    environment.filters["points"] = points
    environment.filters["percent"] = percent
    environment.filters["on_images"] = lambda text: on_images(text, study.report_on)
    environment.filters["p"] = lambda p: "< 0.0001" if p < 0.0001 else f"{p:.4f}"
    environment.filters["labeled"] = labeled
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    table, comparisons, metrics = study.accuracies, study.comparisons, study.metrics
    per_run = pd.DataFrame(metrics)
    families = dict(list(comparisons.groupby("family")))
    images = {part: sorted(set(per_run[f"{part}_images"])) for part in {"train", "validation", study.report_on}}
    looks = {part: len(study.looks.get(part, {})) for part in ("validation", "test")}
    shown = features(table) | ({"validation"} if images["validation"] != [0] else set())
    distinct = {
        name: sorted(set(per_run[name].dropna()))
        for name in ("device", "precision", "machine", "git_revision", "train_digest", "training_code")
    }
    distinct["test_digest"] = sorted(set(per_run["test_digest"])) if study.report_on == "test" else []
    one_by_one = {model: model for model in study.facts["models"]}  # by model: what its figures are called
    pairs = len(families.get("pairs", ()))
    if len(one_by_one) > FEW:
        best = enumerate(table["model"].head(TOP), 1)
        one_by_one = {study.baseline: study.baseline} | {model: str(place) for place, model in best}
        pairs = comb(len(table) - len(study.facts["same_as"]), 2)
    return environment.from_string(template).render(
        key=key,
        many=MANY,
        one_by_one=one_by_one,
        most_rows=ROWS,
        pairs=pairs,
        interval=lambda low, high: interval(low, high, points),
        loads=_load_sentence(metrics),
        study=study.facts,
        seeds=sorted(study.seeds),
        introduction=introduction(table, images[study.report_on][0], per_run["weights_digest"].nunique()),
        summary=summary(table, comparisons, study.baseline, images[study.report_on][0], pairs),
        next_steps=next_steps(table, comparisons, bool(study.facts["limits"])),
        table_files=TABLE_FILES,
        chance=table["chance_level"].iloc[0],
        looks=looks,
        warnings=study.warnings,
        columns=[column for column in COLUMNS if column.heading and column.page and column.needs in shown],
        rows=records(table),
        families={name: records(family) for name, family in families.items()},
        family_sentences={
            name: _against_sentences(families[name], facts["of"])
            for name, facts in study.facts["families"].items()
            if name in families
        },
        seeds_needed={
            name: statistics.seeds_needed(pairs if name == "pairs" else len(family))
            for name, family in families.items()
        },
        augmentations=sorted(set(table["test_time_augmentation"]) - {"none"}),
        figures=figures,
        formats=FORMATS,
        catalogue={
            name: info
            for name, info in catalogue(study.report_on).items()
            if info.scope == "family" or info.needs in shown
        },
        images=images,
        distinct=distinct,
        finished=(per_run["finished"].min(), per_run["finished"].max()),
        seconds=per_run.drop_duplicates("weights_digest")["seconds"].sum(),  # models that train alike share a training
        versions=sorted({f"{name} {version}" for run in metrics for name, version in run["versions"].items()}),
    )


def labeled(svg: str, alt: str) -> str:
    """Return a figure's SVG for the page: with its text alternative, and with its width in points as --width."""
    width = svg.split('viewBox="0 0 ', 1)[1].split(" ", 1)[0]
    return svg.replace("<svg ", f'<svg aria-label="{html.escape(alt)}" style="--width:{width}px" ', 1)


def introduction(table: pd.DataFrame, images: int, trainings: int) -> str:
    """Return what was done, for a reader who knows nothing of it.

    table: DataFrame of table.COLUMNS; images: how many it reports on; trainings: how many there were, of all seeds.
    """
    seeds, chance = int(table["seeds"].iloc[0]), percent(table["chance_level"].iloc[0])
    n = trainings // seeds
    networks = f"{n} networks were" if n > 1 else "One network was"
    times = f"{f'{seeds} times' if seeds > 1 else 'once'}{' each' * (n > 1)}"
    times += " from different random starts (seeds)" * (seeds > 1)
    return (
        f"{networks} trained {times} to tell classes of images apart, and then tested on {images:,}"
        f" {table['images'].iloc[0]} images not used for training. Accuracy is the fraction of these that a network"
        f" classifies correctly; always answering the most frequent class would reach {chance}%."
    )


def next_steps(table: pd.DataFrame, comparisons: pd.DataFrame, limited: bool) -> list[str]:
    """Return what would let the study say more, as a list of sentences.

    Arguments are as of `summary`; limited: whether the study was cut short.
    """
    steps = ["Remove `limits` from the config: this study was cut short."] if limited else []
    if table["at_chance"].any():
        models = _listed(table.loc[table["at_chance"], "model"])
        verb = "is" if table["at_chance"].sum() == 1 else "are"
        steps.append(
            f"Find out why {models} {verb} near chance level: look at curves, labels, `learning_rate`, and the number"
            " of steps (`epochs`, `batch_size`)."
        )
    improving = table.loc[table["still_improving"].eq(True), "model"]
    if len(improving):
        steps.append(
            f"Train longer (`epochs`): the validation accuracy of {_listed(improving)} was still rising, by more than a"
            " point over the last fifth of the epochs."
        )
    against = comparisons[comparisons["family"] == "baseline"]
    if len(against):
        seeds, needed = int(against["seeds"].iloc[0]), statistics.seeds_needed(len(against))
        if seeds < needed:
            more = f"{needed - seeds} more seed{'s' * (needed - seeds > 1)}"
            steps.append(f"Add {more} to `seeds`: at least {needed} are needed to show a difference here.")
        elif (against["verdict"] == SAME).any():
            steps.append("Add seeds to find smaller differences: four times as many find differences half as large.")
    if table["images"].iloc[0] == "validation":
        steps.append("Once you have chosen a model, set `report_on: test`, and report its accuracy on test images.")
    return steps


def summary(
    table: pd.DataFrame, comparisons: pd.DataFrame, baseline: str, images: int, tests: int | None = None
) -> list[str]:
    """Return what the study shows, and what it doesn't, as a list of sentences.

    table: DataFrame of table.COLUMNS; comparisons: of statistics.COLUMNS; images: how many it reports on; tests: for
    how many pairs the p of pairs are corrected, the number of them by default.
    """
    chance, families = table["chance_level"].iloc[0], dict(list(comparisons.groupby("family")))
    weak, level = table.loc[table["at_chance"], "model"], f"chance level ({percent(chance)}%)"
    if len(weak) == len(table):
        low, high = (percent(table["accuracy"].agg(end)) for end in ("min", "max"))
        return [
            f"No model is shown to be above {level}, the accuracy of always answering the most frequent class: they"
            f" classify {low if low == high else f'{low} to {high}'}% of {images:,} {table['images'].iloc[0]} images"
            " correctly, so they can't be ranked."
        ]
    sentences = [_best_model_sentence(table, images)]
    if len(weak):
        sentences.append(f"Not shown to be above {level}: {_listed(weak)}.")
    if families:
        against, pairs = families["baseline"], families["pairs"]
        sentences += _against_sentences(against, f"the baseline, {baseline}")
        if not (against["verdict"] == TOO_FEW).all():
            sentences += _ranking_sentences(table.iloc[0]["model"], pairs, tests or len(pairs))
    return sentences


def _against_sentences(against: pd.DataFrame, reference: str) -> list[str]:
    """Return what comparisons with one model, called `reference`, show."""
    if against["seeds"].iloc[0] == 1:
        return _one_seed_sentences(against, reference)
    if (against["verdict"] == TOO_FEW).all():
        return _too_few_seeds_sentences(against, reference)
    return _verdict_sentences(against, reference)


def _best_model_sentence(table: pd.DataFrame, images: int) -> str:
    best = table.iloc[0]
    accuracy = f"{percent(best['accuracy'])}% of {images:,} {best['images']} images"
    low, high = best["population_low"], best["population_high"]
    limits = interval(low, high, percent) + ("%" if high - low < TOO_WIDE else "")
    if best["seeds"] == 1:
        about = f"one seed; 95% interval of this network on new images: {limits}"
    else:
        about = f"mean of {best['seeds']} seeds; 95% interval of the mean over seeds and new images: {limits}"
    if len(table) == 1:
        return f"{best['model']} classifies {accuracy} correctly ({about})."
    tied = (table["accuracy"] == best["accuracy"]).sum()
    first = _listed(table["model"].head(tied))
    return (
        f"Of {len(table)} models, {first} {'was' if tied == 1 else 'were'} most accurate: {accuracy} ({about})."
        " The best of several is partly luck: expect slightly less on new images."
    )


def _one_seed_sentences(against: pd.DataFrame, reference: str) -> list[str]:
    apart = against[against["mcnemar_p_holm"] < statistics.ALPHA]
    if len(apart):
        found = f"McNemar's test finds these networks to differ from that of {reference}: {_with_points(apart)}."
    else:
        found = f"McNemar's test finds no network that differs from that of {reference}."
    return [
        "With one seed per model nothing is known about what another seed would give, so no model is said to be"
        f" better or worse. {_seeds_needed_sentence(against)}",
        f"{found} That is about these trained networks on new images, not about other seeds.",
    ]


def _too_few_seeds_sentences(against: pd.DataFrame, reference: str) -> list[str]:
    sentences = [
        f"{against['seeds'].iloc[0]} seeds are too few to say which models differ from {reference}: the smallest p that"
        f" a permutation test over them can give is {against['min_attainable_p'].iloc[0]:.2g}."
        f" {_seeds_needed_sentence(against)}"
    ]
    told = against["high"] - against["low"] < TOO_WIDE
    apart = against[told & ((against["low"] > 0) | (against["high"] < 0))]
    if len(apart):
        sentences.append(
            f"Possibly different (their interval, which is not corrected, excludes zero): {_with_points(apart)}."
        )
    return sentences


def _seeds_needed_sentence(against: pd.DataFrame) -> str:
    tests = len(against)
    comparisons = f"These {tests} comparisons need" if tests > 1 else "This comparison needs"
    return f"{comparisons} at least {statistics.seeds_needed(tests)} seeds."


def _verdict_sentences(against: pd.DataFrame, reference: str) -> list[str]:
    sentences = []
    for verdict, words in (
        (BETTER, f"Better than {reference}"),
        (WORSE, f"Worse than {reference}"),
        (SAME, f"With {against['seeds'].iloc[0]} seeds not distinguishable from {reference}"),
        (AT_CHANCE, f"At chance level, as is {reference}"),
    ):
        models = against[against["verdict"] == verdict]
        if len(models):
            sentences.append(f"{words}: {_with_points(models)}.")
    only_here = against[against["verdict"].isin([BETTER, WORSE]) & (against["population_verdict"] == SAME)]
    if len(only_here):
        sentences.append(f"Shown for these images only, not for new ones: {_with_points(only_here)}.")
    low, high = (f"{100 * against['min_detectable_effect'].agg(end):.1f}" for end in ("min", "max"))
    if high == "0.0":
        return [
            *sentences,
            "The seeds of each model agree to 0.1 points: what size of difference is missed is not known.",
        ]
    varying = f"{high} points, depending on the variant,"
    if low == "0.0":
        size = f"up to {varying}"
    else:
        size = f"less than {low} points" if low == high else f"less than {low} to {varying}"
    sentences.append(
        f"A true difference from {reference.partition(',')[0]} of {size} is found with less than"
        f" {100 * statistics.POWER:.0f}% power; more seeds find smaller ones."
    )
    return sentences


def _load_sentence(metrics: list[dict]) -> str:
    """Return how busy the machines were that trained; "" where the trainings don't say."""
    known = sorted({(run["load"], run["cpus"]) for run in metrics if run.get("load") is not None})
    if not known:
        return ""
    loads, cpus = [f"{load:.1f}" for load, _ in (known[0], known[-1])], sorted({cpus for _, cpus in known})
    processes = f"{' to '.join(dict.fromkeys(loads))} processes on {' or '.join(map(str, cpus))} CPUs"
    return f"{processes} (the system's average while a training ran, itself included)"


def _ranking_sentences(best: str, pairs: pd.DataFrame, tests: int) -> list[str]:
    with_best = pairs[(pairs["model"] == best) | (pairs["reference"] == best)]
    if (with_best["verdict"] == TOO_FEW).all():
        return [f"Ranking all models takes {tests} comparisons and at least {statistics.seeds_needed(tests)} seeds."]
    same = with_best[with_best["verdict"].isin([SAME, AT_CHANCE])]
    others = same["model"].where(same["model"] != best, same["reference"])
    if tests > len(pairs):
        which = f"Of the {len(with_best)} next best, by tests corrected for all {tests:,} pairs of models,"
        if len(others):
            return [f"{which} not distinguishable from the best, {best}: {_listed(others)}."]
        return [f"{which} {best} is better than each on these images."]
    if len(others):
        return [f"Not distinguishable from the best, {best}: {_listed(others)}."]
    return [f"{best} is better than every other model on these images, of {len(pairs)} comparisons."]


def _with_points(rows: pd.DataFrame) -> str:
    """Return the models of some comparisons with their differences, largest first, as a list in a sentence."""
    ordered = rows.sort_values("difference", ascending=False, kind="stable")
    return _listed(f"{row.model} ({points(row.difference)} points)" for row in ordered.itertuples())


def _listed(words: Iterable[str]) -> str:
    """Return words as a list in a sentence; of more than MANY the first TOP."""
    words = list(words)
    if len(words) > MANY:
        return f"{', '.join(words[:TOP])} and {len(words) - TOP} more"
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last
