"""The table's arithmetic and order."""

import numpy as np
import pytest

from ablation import table


def a_run(model, seed, accuracy, loss=1.0):
    return {
        "model": model,
        "seed": seed,
        "parameters": 10,
        "test_loss": loss,
        "test_accuracy": accuracy,
        "seconds": 60.0,
    }


MODELS = {
    "a": {"differs": "", "epochs": 2, "published_loss": 0.5, "published_accuracy": 0.6},
    "b": {"differs": "decay 0", "epochs": 3, "published_loss": None, "published_accuracy": None},
}


def test_means_over_seeds_best_first():
    runs = [a_run("a", 2, 0.5), a_run("b", 1, 0.8, loss=0.25), a_run("a", 1, 0.7), a_run("b", 2, 0.6, loss=0.75)]
    result = table.accuracy_table(runs, MODELS).set_index("model")
    assert list(result.index) == ["b", "a"]
    assert result.loc["a", "test_accuracy"] == pytest.approx(0.6)
    assert result.loc["a", "test_accuracy_sd"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert result.loc["a", "difference"] == pytest.approx(0.0)
    assert result.loc["b", "test_loss"] == pytest.approx(0.5)
    assert result.loc["b", "seeds"] == 2
    assert np.isnan(result.loc["b", "difference"])


def test_one_seed_has_no_deviation():
    result = table.accuracy_table([a_run("a", 1, 0.5)], {"a": MODELS["a"]})
    assert np.isnan(result["test_accuracy_sd"].item())
    assert list(result.columns) == table.COLUMNS
