"""The table of the study."""

import pandas as pd

from ablation import statistics

COLUMNS = [
    "model",
    "differs",
    "parameters",
    "epochs",
    "seeds",
    "test_loss",
    "test_accuracy",
    "test_accuracy_sd",
    "test_time_augmentation",
    "accuracy_one_view",
    "low",
    "high",
    "new_low",
    "new_high",
    "baseline_difference",
    "baseline_low",
    "baseline_high",
    "verdict",
    "new_verdict",
    "published_loss",
    "published_accuracy",
    "published_difference",
    "training_seconds",
]  # results/README.md says what each holds
TEXTS = (
    "model",
    "reference",
    "differs",
    "test_time_augmentation",
    "verdict",
    "new_verdict",
)  # never numbers, whatever they look like


def accuracy_table(metrics, models, runs, comparisons):
    """Return a DataFrame of COLUMNS, a row per model, best accuracy first.

    metrics: one dict per (model, seed), the content of its metrics.json. models: by name, a dict of
    `differs`, `epochs`, and `published_loss` and `published_accuracy` (None where there are none).
    runs: statistics.Runs by model; comparisons: DataFrame of statistics.comparisons of them.
    """
    by_model = pd.DataFrame(metrics).groupby("model", sort=False)
    against = comparisons[comparisons["family"] == "baseline"].set_index("model")
    table = (
        by_model.agg(
            parameters=("parameters", "first"),
            seeds=("seed", "count"),
            test_loss=("test_loss", "mean"),
            test_time_augmentation=("test_time_augmentation", "first"),
            accuracy_one_view=("test_accuracy_one_view", "mean"),
            training_seconds=("seconds", "mean"),
        )
        .join(pd.DataFrame.from_dict(models, orient="index"))
        .join(pd.DataFrame.from_dict({name: statistics.accuracy_of(of) for name, of in runs.items()}, orient="index"))
        .join(against[["difference", "low", "high"]].add_prefix("baseline_"))
        .join(against[["verdict", "new_verdict"]])
    )
    table["published_difference"] = table["test_accuracy"] - table["published_accuracy"].astype(float)
    table = table.rename_axis("model").sort_values(["test_accuracy", "model"], ascending=[False, True]).reset_index()
    return table[COLUMNS]


def for_a_paper(table):
    """Return a DataFrame of texts, a row per model, of an accuracy table: what a paper or a README would show.

    Where predictions are averages over views of an image, there is a column of the accuracy without.
    """
    texts = pd.DataFrame(
        {
            "model": table["model"],
            "what differs": table["differs"],
            "parameters": [f"{number:,}" for number in table["parameters"]],
            "accuracy, %": [
                f"{100 * row.test_accuracy:.2f}" + ("" if row.seeds == 1 else f" ± {100 * row.test_accuracy_sd:.2f}")
                for row in table.itertuples()
            ],
            "95% interval, new images": [
                f"{100 * row.new_low:.2f} to {100 * row.new_high:.2f}" for row in table.itertuples()
            ],
            "minus baseline, points": [
                "baseline" if pd.isna(value) else f"{100 * value:+.2f}" for value in table["baseline_difference"]
            ],
            "these images": table["verdict"].fillna(""),
            "new images": table["new_verdict"].fillna(""),
        }
    )
    if (table["test_time_augmentation"] != "none").any():
        without = [f"{100 * share:.2f}" for share in table["accuracy_one_view"]]
        texts.insert(4, "one view, %", without)
    return texts


def read(path):
    """Return the DataFrame of a CSV file of the report."""
    frame = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""])
    return frame.fillna(dict.fromkeys(TEXTS, ""))
