"""The table of the study."""

import pandas as pd

COLUMNS = [
    "model",
    "differs",
    "parameters",
    "epochs",
    "seeds",
    "test_loss",
    "test_accuracy",
    "test_accuracy_sd",
    "published_loss",
    "published_accuracy",
    "difference",
    "training_seconds",
]  # results/README.md says what each holds


def accuracy_table(runs, models):
    """Return a DataFrame of COLUMNS, a row per model, best accuracy first.

    runs: one dict per (model, seed), the content of its metrics.json. models: by name, a dict of
    `differs`, `epochs`, and `published_loss` and `published_accuracy` (None where there are none).
    """
    by_model = pd.DataFrame(runs).sort_values(["model", "seed"]).groupby("model", sort=False)
    table = by_model.agg(
        parameters=("parameters", "first"),
        seeds=("seed", "count"),
        test_loss=("test_loss", "mean"),
        test_accuracy=("test_accuracy", "mean"),
        test_accuracy_sd=("test_accuracy", "std"),
        training_seconds=("seconds", "mean"),
    ).join(pd.DataFrame.from_dict(models, orient="index"))
    table["difference"] = table["test_accuracy"] - table["published_accuracy"].astype(float)
    table = table.rename_axis("model").sort_values(["test_accuracy", "model"], ascending=[False, True]).reset_index()
    return table[COLUMNS]
