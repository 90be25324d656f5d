"""The table's arithmetic, order and texts."""

import numpy as np
import pytest

from ablation import statistics, table
from test_statistics import runs_with

SEEDS = [1, 2, 3, 4, 5]
ACCURACIES = {
    "a": [0.70, 0.71, 0.72, 0.73, 0.74],
    "b": [0.80, 0.81, 0.82, 0.83, 0.84],
    "c": [0.69, 0.72, 0.71, 0.74, 0.73],
}
MODELS = {
    "a": {"differs": "", "epochs": 2, "published_loss": 0.5, "published_accuracy": 0.75},
    "b": {"differs": "decay 0", "epochs": 3, "published_loss": None, "published_accuracy": None},
    "c": {
        "differs": "batch_normalization before relu",
        "epochs": 2,
        "published_loss": None,
        "published_accuracy": None,
    },
}


def a_study(accuracies, seeds=SEEDS, averaged=()):
    """Return (metrics, comparisons, table) of runs with these accuracies by model; the first is the baseline.

    averaged: models with test-time augmentation, which is worth a point.
    """
    metrics = [
        {
            "model": model,
            "seed": seed,
            "parameters": 10_000,
            "test_loss": 1 - accuracy,
            "test_accuracy": accuracy,
            "test_time_augmentation": "flip" if model in averaged else "none",
            "test_accuracy_one_view": accuracy - 0.01 * (model in averaged),
            "seconds": 60.0,
        }
        for model, of_model in accuracies.items()
        for seed, accuracy in zip(seeds, of_model, strict=False)
    ]
    runs = {model: runs_with(of_model[: len(seeds)]) for model, of_model in accuracies.items()}
    comparisons = statistics.comparisons(runs, next(iter(runs)))
    models = {model: MODELS[model] for model in accuracies}
    return metrics, comparisons, table.accuracy_table(metrics, models, runs, comparisons)


def test_means_over_seeds_best_first():
    _, _, result = a_study(ACCURACIES)
    assert list(result.columns) == table.COLUMNS
    assert list(result["model"]) == ["b", "a", "c"]
    rows = result.set_index("model")
    assert rows.loc["a", "test_accuracy"] == pytest.approx(0.72)
    assert rows.loc["a", "test_accuracy_sd"] == pytest.approx(np.std(ACCURACIES["a"], ddof=1))
    assert rows.loc["a", "published_difference"] == pytest.approx(-0.03)
    assert rows.loc["b", "test_loss"] == pytest.approx(0.18)
    assert rows.loc["b", "seeds"] == 5
    assert np.isnan(rows.loc["b", "published_difference"])


def test_verdicts_against_the_baseline_which_has_none():
    rows = a_study(ACCURACIES)[2].set_index("model")
    assert rows.loc["b", "baseline_difference"] == pytest.approx(0.1)
    assert rows.loc["b", "verdict"] == "better"
    assert rows.loc["c", "verdict"] == "not distinguishable"
    assert np.isnan(rows.loc["a", "baseline_difference"])
    assert rows["verdict"].isna().tolist() == [False, True, False]


def test_one_model_alone():
    _, comparisons, result = a_study({"a": ACCURACIES["a"]}, seeds=[1])
    assert comparisons.empty
    assert np.isnan(result["test_accuracy_sd"].item())
    assert result["new_low"].item() < 0.70 < result["new_high"].item()


def test_a_csv_is_read_back_as_it_was(tmp_path):
    """Names of models and verdicts stay text, whatever they look like."""
    _, _, result = a_study(ACCURACIES)
    result.loc[0, "model"] = "nan"
    result.to_csv(tmp_path / "accuracy.csv", index=False)
    again = table.read(tmp_path / "accuracy.csv")
    assert again["model"].tolist() == ["nan", "a", "c"]
    assert again["verdict"].tolist() == ["better", "", "not distinguishable"]
    assert again["test_accuracy"].tolist() == pytest.approx(result["test_accuracy"].tolist())


def test_texts_for_a_paper():
    texts = table.for_a_paper(a_study(ACCURACIES)[2]).set_index("model")
    assert texts.loc["b", "accuracy, %"] == "82.00 ± 1.58"
    assert texts.loc["b", "minus baseline, points"] == "+10.00"
    assert texts.loc["a", "minus baseline, points"] == "baseline"
    assert texts.loc["c", "these images"] == "not distinguishable"
    assert len(texts.columns) == 7
    averaged = table.for_a_paper(a_study(ACCURACIES, averaged=["b"])[2]).set_index("model")
    assert averaged["one view, %"].to_dict() == {"b": "81.00", "a": "72.00", "c": "71.80"}
    alone = table.for_a_paper(a_study(ACCURACIES, seeds=[1])[2]).set_index("model")
    assert alone.loc["b", "accuracy, %"] == "80.00"
    assert alone.loc["b", "new images"] == "too few seeds"
