"""The table of accuracies: one list of columns for its CSV, a table for a paper, the page and results/README.md.

Accuracies and their differences are fractions; texts show percent and percentage points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from ablation.report import statistics
from ablation.report.study import Study

Row = dict  # of the table, by column; None for what is missing


def percent(fraction: float) -> str:
    """Return a fraction in percent."""
    return f"{100 * fraction:.2f}"


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, with its sign."""
    return f"{100 * difference:+.2f}".replace("-", "−")


def duration(seconds: float) -> str:
    """Return seconds as hours:minutes:seconds."""
    return str(timedelta(seconds=round(seconds)))


def _plus_minus(row: Row) -> str:
    return "" if row["test_accuracy_sd"] is None else f"± {percent(row['test_accuracy_sd'])}"


def _baseline_interval(row: Row) -> str:
    return "" if row["baseline_low"] is None else f"{points(row['baseline_low'])} to {points(row['baseline_high'])}"


def _published_loss(row: Row) -> str:
    return "" if row["published_loss"] is None else f"loss {row['published_loss']:.4f}"


@dataclass(frozen=True)
class Column:
    """A column of accuracy.csv.

    name: in the file; description: in results/README.md. The rest is of the texts that a reader sees; without a heading
    the column has none of its own. format: a value as text; missing: the text where there is none, and sort_missing the
    value that it sorts by; detail: what else is in the cell, of a row; needs: what the table must have for the column
    to be shown, as `features` returns it; page: whether the page shows it in a cell of its own; paper: None for not,
    "value" for the value alone, "all" for the detail, too.
    """

    name: str
    description: str
    heading: str = ""
    format: Callable[[Any], str] = str
    missing: str = ""
    sort_missing: str = ""
    detail: Callable[[Row], str] = lambda row: ""
    needs: str = ""
    page: bool = True
    paper: str | None = None

    def text(self, row: Row) -> str:
        """Return the value of a row as text."""
        return self.missing if row[self.name] is None else self.format(row[self.name])


COLUMNS = [
    Column("model", "name of the model", "model", paper="value"),
    Column("changes", "settings in which it differs from the baseline", "changes", page=False, paper="value"),
    Column("seeds", "runs that all means are over"),
    Column(
        "test_accuracy",
        "fraction of the test images classified correctly, mean over seeds",
        "test accuracy, %",
        percent,
        detail=_plus_minus,
        paper="all",
    ),
    Column("test_accuracy_sd", "its sample standard deviation over seeds; empty for one seed"),
    Column("low", "lower end of the 95% interval of the mean over seeds, on these test images; empty for one seed"),
    Column("high", "its upper end"),
    Column("test_time_augmentation", "what predictions on test images are averages of"),
    Column(
        "accuracy_no_tta",
        "test accuracy without test-time augmentation",
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
        detail=lambda row: f"to {percent(row['population_high'])}",
        paper="all",
    ),
    Column("population_high", "its upper end"),
    Column(
        "baseline_difference",
        "`test_accuracy` minus the baseline's",
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
        "compared with the baseline, on these images: `better`, `worse`, `not distinguishable`, `too few seeds`",
        "on these images",
        needs="comparisons",
        paper="value",
    ),
    Column("population_verdict", "the same, on new images", "on new images", needs="comparisons", paper="value"),
    Column("test_loss", "clipped cross-entropy on the test images, mean over seeds", "test loss", "{:.4f}".format),
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
        "`test_accuracy` - `published_accuracy`",
        "ours minus published, points",
        points,
        missing="–",
        needs="published",
    ),
    Column("parameters", "trainable parameters", "para\u00admeters", "{:,.0f}".format, paper="value"),
    Column("epochs", "passes over the training images", "epochs"),
    Column(
        "training_seconds",
        "wall time of one training in seconds, epochs only, mean over seeds",
        "training time",
        duration,
    ),
]


def study_tables(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of accuracies of a finished study, as `accuracy_table`, and that of `statistics.comparisons`."""
    scores = {
        model: statistics.SeedScores.from_correct(study.predictions(model).predicted == study.labels)
        for model in study.models
    }
    comparisons = statistics.comparisons(scores, study.baseline)
    return accuracy_table(study.metrics, study.facts["models"], scores, comparisons), comparisons


def accuracy_table(
    metrics: list[dict],
    models: dict[str, dict],
    scores: dict[str, statistics.SeedScores],
    comparisons: pd.DataFrame,
) -> pd.DataFrame:
    """Return a DataFrame of COLUMNS, a row per model, best accuracy first.

    metrics: one per model and seed, the content of its metrics.json. models: by name, a dict of `differs`, `epochs`,
    `published_loss` and `published_accuracy` (None where there are none). scores: by model; comparisons: as
    statistics.comparisons returns them for these.
    """
    by_model = pd.DataFrame(metrics).groupby("model", sort=False)
    against_baseline = comparisons[comparisons["family"] == "baseline"].set_index("model")
    summaries = {name: statistics.summarize_accuracy(of_model) for name, of_model in scores.items()}
    table = (
        by_model.agg(
            parameters=("parameters", "first"),
            seeds=("seed", "count"),
            test_loss=("test_loss", "mean"),
            test_time_augmentation=("test_time_augmentation", "first"),
            accuracy_no_tta=("test_accuracy_no_tta", "mean"),
            training_seconds=("seconds", "mean"),
        )
        .join(pd.DataFrame.from_dict(models, orient="index").rename(columns={"differs": "changes"}))
        .join(pd.DataFrame.from_dict(summaries, orient="index"))
        .join(against_baseline[["difference", "low", "high"]].add_prefix("baseline_"))
        .join(against_baseline[["verdict", "population_verdict"]])
    )
    table["published_difference"] = table["test_accuracy"] - table["published_accuracy"].astype(float)
    table = table.rename_axis("model").sort_values(["test_accuracy", "model"], ascending=[False, True]).reset_index()
    return table[[column.name for column in COLUMNS]]


def records(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a table as dicts, None for what is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def features(table: pd.DataFrame) -> set[str]:
    """Return what an accuracy table has, of "comparisons", "published" and "test-time augmentation"."""
    has = {
        "comparisons": len(table) > 1,
        "published": table["published_accuracy"].notna().any(),
        "test-time augmentation": (table["test_time_augmentation"] != "none").any(),
    }
    return {"", *(feature for feature, there in has.items() if there)}


def paper_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame of texts, a row per model, of an accuracy table: what a paper or a README would show."""
    rows, shown = records(table), features(table)
    return pd.DataFrame(
        {
            column.heading.replace("\u00ad", ""): [
                f"{column.text(row)} {column.detail(row) if column.paper == 'all' else ''}".strip().replace("−", "-")
                for row in rows
            ]
            for column in COLUMNS
            if column.paper and column.needs in shown
        }
    )
