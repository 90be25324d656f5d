"""The table of accuracies: one list of columns for its CSV, a table for a paper, the page and docs/files.md.

Accuracies and their differences are fractions; texts show percent and percentage points.
"""

import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from ablation.report import statistics
from ablation.report.study import Study
from ablation.report.wording import TOO_FEW, TOO_WIDE, on_images

COMFORTABLE = 7  # columns that a page is wide enough for
IMPROVEMENT = 0.01  # of validation accuracy from one fifth of the epochs to the next
Row = dict  # of the table, by column; None for what is missing


def percent(fraction: float) -> str:
    """Return a fraction in percent."""
    return f"{100 * fraction:.2f}"


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, with its sign; what rounds to zero has a plus."""
    return f"{round(100 * difference, 2) + 0.0:+.2f}".replace("-", "−")


def duration(seconds: float) -> str:
    """Return seconds as hours:minutes:seconds."""
    return str(timedelta(seconds=round(seconds)))


def interval(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return an interval of accuracies or of differences, its ends as `text` has them; in words if too wide."""
    return f"{text(low)} to {text(high)}" if high - low < TOO_WIDE else "too wide to tell"


def _spread(row: Row) -> str:
    return "" if row["accuracy_sd"] is None else f"± {percent(row['accuracy_sd'])}"


def _gap(row: Row) -> str:
    return f"gap {points(row['train_accuracy'] - row['accuracy'])}"


def _improving(row: Row) -> str:
    return "still improving" if row["still_improving"] else ""


def _baseline_interval(row: Row) -> str:
    return "" if row["baseline_low"] is None else interval(row["baseline_low"], row["baseline_high"], points)


def _published_loss(row: Row) -> str:
    return "" if row["published_loss"] is None else f"loss {row['published_loss']:.4f}"


def _one_run(row: Row) -> str:
    if row["published_within"] is None:
        return ""
    return f"one run: {interval(row['run_low'], row['run_high'], percent)}"


@dataclass(frozen=True)
class Column:
    """A column of accuracy.csv.

    name: in the file; description: in docs/files.md. The rest is of the texts that a reader sees; without a heading
    the column has none of its own. format: a value as text; missing: the text where there is none, and sort_missing the
    value that it sorts by; upper: the column with the upper end of an interval whose lower one this is; words: whether
    it is aligned on the left; detail: what else is in the cell, of a row; needs: what the table must have for the
    column to be shown, as `features` returns it; page: whether the page shows it in a cell of its own; paper: None
    for not, "value" for the value alone, "all" for the detail, too.
    """

    name: str
    description: str
    heading: str = ""
    format: Callable[[Any], str] = str
    missing: str = ""
    sort_missing: str = ""
    upper: str = ""
    words: bool = False
    detail: Callable[[Row], str] = lambda row: ""
    needs: str = ""
    page: bool = True
    paper: str | None = None

    def text(self, row: Row) -> str:
        """Return the value of a row as text."""
        if row[self.name] is None:
            return self.missing
        return interval(row[self.name], row[self.upper], self.format) if self.upper else self.format(row[self.name])


COLUMNS = [
    Column("model", "name of the model", "model", words=True, paper="value"),
    Column(
        "changes", "settings in which it differs from the baseline", "changes", words=True, page=False, paper="value"
    ),
    Column("seeds", "runs that all means are over"),
    Column("images", "which images the study reports on: `test` or `validation`"),
    Column(
        "accuracy",
        "fraction of these images classified correctly, mean over seeds",
        "test accuracy, %",
        percent,
        detail=_spread,
        paper="all",
    ),
    Column("accuracy_sd", "its sample standard deviation over seeds; empty for one seed"),
    Column("low", "lower end of the 95% interval of the mean over seeds, on these images; empty for one seed"),
    Column("high", "its upper end"),
    Column(
        "run_low",
        "lower end of the 95% prediction interval of the accuracy of one more run, on these images; empty for one seed",
    ),
    Column("run_high", "its upper end"),
    Column(
        "balanced_accuracy",
        "mean over classes of the fraction of its images classified correctly, mean over seeds",
        "balanced accuracy, %",
        percent,
        needs="unbalanced classes",
    ),
    Column("chance_level", "accuracy of always answering the most frequent class of these images"),
    Column(
        "at_chance",
        "whether `accuracy`, by the number of images alone, can't be told from that or is below it",
        "at chance",
        lambda weak: "yes" if weak else "",
        words=True,
        needs="at chance",
        page=False,
        paper="value",
    ),
    Column(
        "train_accuracy",
        "accuracy on the training images during the last epoch, with dropout and augmentation, mean over seeds",
        "training accuracy, last epoch, %",
        percent,
        detail=_gap,
    ),
    Column(
        "val_accuracy",
        "accuracy on the validation images after the last epoch, mean over seeds; empty without such images",
        "validation accuracy, last epoch, %",
        percent,
        missing="–",
        needs="validation accuracy",
    ),
    Column("test_time_augmentation", "what predictions are averages of"),
    Column(
        "accuracy_no_tta",
        "`accuracy` without test-time augmentation",
        "without test-time augmentation, %",
        percent,
        needs="test-time augmentation",
        paper="value",
    ),
    Column(
        "population_low",
        "lower end of the 95% interval of the mean over seeds and new images (with one seed: of that one network)",
        "95% interval, new images, %",
        percent,
        upper="population_high",
        paper="value",
    ),
    Column("population_high", "its upper end"),
    Column(
        "baseline_difference",
        "`accuracy` minus the baseline's",
        "minus baseline, points",
        points,
        missing="baseline",
        sort_missing="0",
        detail=_baseline_interval,
        needs="comparisons",
        paper="value",
    ),
    Column("baseline_low", "lower end of its 95% interval, on these images; empty for one seed"),
    Column("baseline_high", "its upper end"),
    Column(
        "verdict",
        "compared with the baseline, on these images: `better`, `worse`, `not distinguishable`, `both at chance`,"
        " `too few seeds`",
        "verdict, these images",
        words=True,
        needs="verdicts",
        paper="value",
    ),
    Column(
        "population_verdict",
        "the same, on new images",
        "verdict, new images",
        words=True,
        needs="verdicts",
        paper="value",
    ),
    Column("loss", "clipped cross-entropy on these images, mean over seeds", "test loss", "{:.4f}".format),
    Column("published_loss", "published test loss"),
    Column(
        "published_accuracy",
        "published test accuracy, a fraction",
        "published accuracy, %",
        percent,
        missing="–",
        detail=_published_loss,
        needs="published",
    ),
    Column(
        "published_difference",
        "`accuracy` - `published_accuracy`; empty for validation images",
        "ours minus published, points",
        points,
        missing="–",
        detail=_one_run,
        needs="published difference",
    ),
    Column(
        "published_within",
        "whether `published_accuracy` is one that one more run could have, between `run_low` and `run_high`",
    ),
    Column("parameters", "trainable parameters", "para\u00admeters", "{:,.0f}".format, paper="value"),
    Column("epochs", "passes over the training images", "epochs", detail=_improving),
    Column(
        "still_improving",
        "whether validation accuracy, mean over seeds, was over a point, and over two standard errors, higher in the"
        " last fifth of the epochs than in the fifth before; empty with fewer than 10 epochs or without validation"
        " images",
    ),
    Column(
        "training_seconds",
        "seconds of one training at the pace of the fastest epoch of all seeds, the one that other work slowed least",
        "training time",
        duration,
    ),
]


def study_tables(
    study: Study, scores: dict[str, statistics.SeedScores], balanced_accuracies: dict[str, float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of accuracies of a finished study, as `accuracy_table`, and that of `statistics.comparisons`.

    scores, balanced_accuracies: by model, as `answers.collate` finds them.
    """
    families = {name: (family["of"], family["compared"]) for name, family in study.facts["families"].items()}
    chance = statistics.chance_level(study.labels)
    same_as = study.facts["same_as"]
    at_chance = statistics.at_chance(scores, chance)
    comparisons = statistics.comparisons(scores, study.baseline, families, at_chance, same_as)
    models = {
        name: {**facts, **_of_histories(study.histories(name)), "balanced_accuracy": balanced_accuracies[name]}
        for name, facts in study.facts["models"].items()
    }
    return accuracy_table(study.metrics, models, scores, comparisons, study.report_on, chance, same_as), comparisons


def _of_histories(histories: list[pd.DataFrame]) -> dict[str, float | None]:
    """Return what a table says of the histories of a model's runs.

    The time is of the fastest epoch times their number, since wall time has all in it that ran on the machine besides.
    """
    validation = np.mean([history["val_accuracy"] for history in histories], axis=0)
    return {
        "train_accuracy": float(np.mean([history["accuracy"].iloc[-1] for history in histories])),
        "val_accuracy": float(validation[-1]),
        "still_improving": _is_improving(validation),
        "training_seconds": len(histories[0]) * min(float(history["seconds"].min()) for history in histories),
    }


def _is_improving(accuracies: np.ndarray) -> bool | None:
    """Tell whether accuracies by epoch, fractions, still rise at their end; None where they can't say.

    The standard error is of the difference of two fifths' means; the noise of an epoch is known from the changes from
    one epoch to the next, whose mean is the rise.
    """
    fifth = len(accuracies) // 5
    if fifth < 2 or np.isnan(accuracies).any():
        return None
    before, last = accuracies[-2 * fifth :].reshape(2, fifth).mean(axis=1)
    standard_error = (
        np.diff(accuracies[-2 * fifth :]).std(ddof=1) / fifth**0.5
    )  # a change's deviation is sqrt(2) noises
    return bool(last - before > max(IMPROVEMENT, 2 * standard_error))


def accuracy_table(
    metrics: list[dict],
    models: dict[str, dict],
    scores: dict[str, statistics.SeedScores],
    comparisons: pd.DataFrame,
    report_on: str,
    chance_level: float,
    same_as: dict[str, str],
) -> pd.DataFrame:
    """Return a DataFrame of COLUMNS, a row per model, best accuracy first.

    metrics: one per model and seed, the content of its metrics.json. models: by name, a dict of `differs`, `epochs`,
    `training_seconds`, `balanced_accuracy`, `train_accuracy`, `val_accuracy` (NaN where there is none),
    `still_improving`, `published_loss` and `published_accuracy` (None where there are none).
    scores: by model; comparisons: as statistics.comparisons returns them for these and for same_as. report_on: the
    images that all this is of, "test" or "validation".
    """
    by_model = pd.DataFrame(metrics).groupby("model", sort=False)
    against_baseline = comparisons[comparisons["family"] == "baseline"].set_index("model")
    against_baseline = against_baseline.reindex([*against_baseline.index, *same_as]).combine_first(
        against_baseline.reindex(same_as.values()).set_axis(list(same_as))
    )
    summaries = {name: statistics.summarize_accuracy(of_model) for name, of_model in scores.items()}
    table = (
        by_model.agg(
            parameters=("parameters", "first"),
            seeds=("seed", "count"),
            loss=(f"{report_on}_loss", "mean"),
            test_time_augmentation=("test_time_augmentation", "first"),
            accuracy_no_tta=(f"{report_on}_accuracy_no_tta", "mean"),
        )
        .join(pd.DataFrame.from_dict(models, orient="index").rename(columns={"differs": "changes"}))
        .join(pd.DataFrame.from_dict(summaries, orient="index"))
        .join(against_baseline[["difference", "low", "high"]].add_prefix("baseline_"))
        .join(against_baseline[["verdict", "population_verdict"]])
    )
    table["published_difference"] = table["accuracy"] - table["published_accuracy"].astype(float)
    if report_on != "test":
        table["published_difference"] = np.nan
    known = table["published_difference"].notna() & table["run_low"].notna()
    within = table["published_accuracy"].astype(float).between(table["run_low"], table["run_high"])
    table["published_within"] = within.astype(object).where(known, None)
    table = table.assign(images=report_on, chance_level=chance_level)
    table["at_chance"] = table.index.isin(statistics.at_chance(scores, chance_level))
    table = table.rename_axis("model").sort_values(["accuracy", "model"], ascending=[False, True]).reset_index()
    return table[[column.name for column in COLUMNS]]


def records(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a table as dicts, None for what is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def features(table: pd.DataFrame) -> set[str]:
    """Return what an accuracy table has, of the words that a column may need.

    "validation accuracy" is there where it is another than the accuracy that the study reports on.
    """
    has = {
        "comparisons": len(table) > 1,
        "verdicts": (table["verdict"].notna() & ~table["verdict"].isin(["", TOO_FEW])).any(),
        "at chance": table["at_chance"].any(),
        "published difference": table["published_difference"].notna().any(),
        "published": table["published_accuracy"].notna().any(),
        "unbalanced classes": (table["balanced_accuracy"] - table["accuracy"]).abs().max() > 0.0005,
        "validation accuracy": table["val_accuracy"].notna().any() and (table["images"] == "test").all(),
        "test-time augmentation": (table["test_time_augmentation"] != "none").any(),
    }
    return {"", *(feature for feature, there in has.items() if there)}


def paper_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame of texts, a row per model, of an accuracy table: what a paper or a README would show.

    Its columns of numbers end alike, so that they stand on the decimal point where they are aligned on the right.
    """
    rows, shown, report_on = records(table), features(table), table["images"].iloc[0]
    texts = {}
    for column in COLUMNS:
        if column.paper and column.needs in shown:
            heading = on_images(column.heading.replace("\u00ad", ""), report_on)
            if column.name == "baseline_difference" and "verdicts" not in shown:
                heading += f" ({TOO_FEW} for verdicts)"
            cells = [
                f"{column.text(row)} {column.detail(row) if column.paper == 'all' else ''}".strip() for row in rows
            ]
            texts[heading] = cells if column.words else _aligned(cells)
    return pd.DataFrame(texts)


def _aligned(cells: list[str]) -> list[str]:
    """Return cells whose numbers but the first are as wide as the widest of the column, by spaces of a digit."""
    numbers = [re.findall(r"[+−]?\d[\d,.]*", cell) for cell in cells]
    several = [found for found in numbers if len(found) > 1]
    widths = [max(map(len, of)) for of in zip(*several, strict=False)]
    aligned = []
    for cell, found in zip(cells, numbers, strict=True):
        for number, width in list(zip(found, widths, strict=False))[1:]:
            head, _, tail = cell.rpartition(number)
            cell = head + "\u2007" * (width - len(number)) + number + tail
        aligned.append(cell)
    return aligned


def markdown(texts: pd.DataFrame) -> str:
    """Return what `paper_table` returns as a table of Markdown, numbers on the right, in columns of equal width."""
    columns = []
    for name in texts:
        cells = [re.sub(r"([|<*`\\])", r"\\\1", " ".join(cell.split(" "))) for cell in (name, *texts[name])]
        width, left = max(3, *map(len, cells)), _is_words(name)
        cells.insert(1, ":" + "-" * (width - 1) if left else "-" * (width - 1) + ":")
        columns.append([cell.ljust(width) if left else cell.rjust(width) for cell in cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in zip(*columns, strict=True))


def caption(table: pd.DataFrame, baseline: str) -> str:
    """Return what the figures of an accuracy table are, in sentences of LaTeX."""
    seeds, images, chance = (table[name].iloc[0] for name in ("seeds", "images", "chance_level"))
    shown = features(table)
    over = f"mean $\\pm$ standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    of_what = "seeds and new images" if seeds > 1 else "new images, for this one network of each model"
    sentences = [
        f"Accuracy on the {images} images ({over}). Chance level: {percent(chance)}\\%.",
        f"Intervals: 95\\%, over {of_what}.",
    ]
    if "comparisons" in shown:
        sentences.append(f"Baseline: {_escaped(baseline)}.")
    if "verdicts" in shown:
        sentences.append(
            "Verdicts: compared with it on these images, and on new ones where that differs; Holm's correction, 5\\%."
        )
    elif "comparisons" in shown:
        sentences.append(f"{TOO_FEW.capitalize()} for verdicts.")
    return " ".join(sentences)


def latex(texts: pd.DataFrame, caption: str) -> str:
    """Return what `paper_table` returns as two tables of LaTeX: figures, then the settings of each model.

    They need the package booktabs. caption: of the first, as LaTeX. Its label is tab:accuracy, the second's is
    tab:changes. The two verdicts are one column, and a heading has several lines, so that a page is wide enough.
    """
    figures = texts.drop(columns="changes")
    if "verdict, new images" in figures:
        here, new = figures["verdict, these images"], figures.pop("verdict, new images")
        figures["verdict, these images"] = here.where(here == new, here + ", on new images " + new)
        figures = figures.rename(columns={"verdict, these images": "verdict"})
    long = {name for name in figures if name != "model" and _is_words(name) and figures[name].str.len().max() > 8}
    width = "2.2cm" if len(figures.columns) <= COMFORTABLE else "1.7cm"
    kinds = [(f"p{{{width}}}" if name in long else "l") if _is_words(name) else "r" for name in figures]
    rows = [
        [("\\raggedright " if name in long else "") + _escaped(cell) for name, cell in zip(figures, row, strict=True)]
        for row in figures.itertuples(index=False)
    ]
    tables = [_latex_table(caption, "accuracy", kinds, map(_latex_heading, figures), rows)]
    changes = texts.loc[texts["changes"] != "", ["model", "changes"]]
    if len(changes):
        what = "Settings in which each model differs from the baseline."
        cells = [[_escaped(cell) for cell in row] for row in changes.itertuples(index=False)]
        tables.append(_latex_table(what, "changes", ["l", "p{0.7\\linewidth}"], changes, cells))
    return "\n".join(tables)


def _latex_table(caption: str, label: str, kinds: list[str], head: Iterable[str], rows: list[list[str]]) -> str:
    """Return a float with a caption above its table. kinds: of the columns; head, rows: cells in LaTeX."""
    size, gap = ("footnotesize", "3pt") if len(kinds) <= COMFORTABLE else ("scriptsize", "2pt")
    return "\n".join(
        [
            "\\begin{table}[tbp]",
            f"\\centering\\{size}\\setlength{{\\tabcolsep}}{{{gap}}}",
            f"\\caption{{{caption}}}",
            f"\\label{{tab:{label}}}\\smallskip",
            f"\\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
            "\\toprule",
            _latex_row(head),
            "\\midrule",
            *map(_latex_row, rows),
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def _is_words(heading: str) -> bool:
    return any(column.heading == heading and column.words for column in COLUMNS) or heading == "verdict"


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + " \\\\"


def _latex_heading(name: str) -> str:
    """Return a heading, that of numbers on lines of some thirteen characters, without what the caption says."""
    if _is_words(name):
        return _escaped(name)
    lines = "\\\\".join(map(_escaped, textwrap.wrap(name.partition(" (")[0], 13, break_on_hyphens=False)))
    return f"\\shortstack[r]{{{lines}}}"


def _escaped(text: str) -> str:
    """Return a text in LaTeX's letters."""
    letters = {"−": "$-$", "+": "$+$", "±": "$\\pm$", "–": "--", "\u2007": "\\phantom{0}", "\\": "\\textbackslash{}"}
    letters |= {letter: f"\\{letter}" for letter in "&%$#_{}"} | {"~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
    letters |= {"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}"}
    return "".join(letters.get(letter, letter) for letter in text)
