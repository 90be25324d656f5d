"""What the runs answer, by class, by pair of classes and by image, against counts by hand and scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from ablation.report import answers
from ablation.report.study import Predictions, Study

NAMES = ["cat", "dog, or so", "7"]
LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = {"b": [[0, 0, 1, 1, 0, 2], [0, 1, 1, 1, 1, 0]], "a": [[0, 0, 0, 0, 0, 0]] * 2}


def study_of(predicted, labels=LABELS, files=None, names=NAMES):
    reads = []

    def predictions(model):
        reads.append(model)
        answered = np.array(predicted[model])
        probabilities = np.full((*answered.shape, len(names)), 1 / 3, dtype=np.float16)
        np.put_along_axis(probabilities, answered[..., None], 0.5, axis=2)
        return Predictions(probabilities, answered)

    study = SimpleNamespace(
        models=list(predicted),
        seeds=[2, 1],
        labels=labels,
        class_names=np.array(names),
        image_files=files,
        predictions=predictions,
        reads=reads,
    )
    study.mistakes = lambda model, runs: Study.mistakes(study, model, runs)
    return study


def test_each_run_is_read_once_and_models_keep_their_order(tmp_path):
    study = study_of(PREDICTED)
    found = answers.collate(study, tmp_path / "predictions.csv.gz")
    assert study.reads == ["b", "a"]
    for of_models in (found.confusion, found.classes, found.mistakes):
        assert of_models["model"].unique().tolist() == ["b", "a"]
    assert found.scores["b"].by_seed.tolist() == pytest.approx([4 / 6, 3 / 6])


def test_confusion_is_a_mean_over_seeds(tmp_path):
    table = answers.collate(study_of(PREDICTED), tmp_path / "p").confusion
    assert list(table) == list(answers.CONFUSION)
    matrix = table[table["model"] == "b"].pivot(index="class", columns="predicted", values="count")
    assert matrix.loc[NAMES, NAMES].to_numpy().tolist() == [[1.5, 1.5, 0], [0.5, 1.5, 0], [0.5, 0, 0.5]]
    assert table.groupby(["model", "class"])["fraction"].sum().tolist() == pytest.approx([1] * 6)


def test_classes_are_those_of_scikit_learn(tmp_path):
    """A class that a run never predicts has no precision in it; so a mean is over the other runs."""
    found = answers.collate(study_of(PREDICTED), tmp_path / "p")
    assert list(found.classes) == list(answers.CLASSES)
    table = found.classes.set_index(["model", "class"])
    by_run = [
        metrics.precision_recall_fscore_support(LABELS, run, labels=range(3), zero_division=np.nan)
        for run in PREDICTED["b"]
    ]
    for row, name in enumerate(("precision", "recall")):
        expected = np.nanmean([of_run[row] for of_run in by_run], axis=0)
        assert table.loc["b", name].tolist() == pytest.approx(expected.tolist())
    f1 = np.mean([metrics.f1_score(LABELS, run, average=None) for run in PREDICTED["b"]], axis=0)
    assert table.loc["b", "f1"].tolist() == pytest.approx(f1.tolist())
    assert table.loc["b", "support"].tolist() == [3, 2, 1]
    assert table.loc["b"].loc["7", "precision"] == 1  # of the one run that predicts it
    assert np.isnan(table.loc["a"].loc["7", "precision"]) and table.loc["a"].loc["7", "f1"] == 0
    balanced = np.mean([metrics.balanced_accuracy_score(LABELS, run) for run in PREDICTED["b"]])
    assert found.balanced_accuracies == {"b": pytest.approx(balanced), "a": pytest.approx(1 / 3)}


def test_a_class_without_images_is_left_out_of_balanced_accuracy(tmp_path):
    found = answers.collate(study_of({"b": [[0, 0], [0, 1]]}, labels=np.array([0, 0])), tmp_path / "p")
    table = found.classes.set_index("class")
    assert table["recall"].isna().tolist() == [False, True, True]
    assert table["f1"].tolist() == pytest.approx([(1 + 2 / 3) / 2, 0, np.nan], nan_ok=True)
    assert found.balanced_accuracies == {"b": 0.75}
    fractions = found.confusion.groupby("class", sort=False)["fraction"].sum(min_count=1)
    assert fractions.tolist() == pytest.approx([1, np.nan, np.nan], nan_ok=True)


def test_of_many_models_predictions_are_those_of_the_best_and_the_baseline(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "FEW", 2)
    study = study_of({"c": [[1, 1, 0, 0, 0, 1]] * 2, **PREDICTED})
    study.baseline = "a"
    answers.collate(study, tmp_path / "p.csv.gz")
    table = pd.read_csv(tmp_path / "p.csv.gz")
    assert table[["model", "seed"]].drop_duplicates().to_numpy().tolist() == [["b", 2], ["b", 1], ["a", 2], ["a", 1]]


def test_predictions_are_a_row_per_run_and_image_of_the_same_bytes(tmp_path):
    study = study_of(PREDICTED, files=np.array([f"x/{n}.png" for n in range(6)]))
    for name in ("one.csv.gz", "another.csv.gz"):
        answers.collate(study, tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "another.csv.gz").read_bytes()
    table = pd.read_csv(tmp_path / "one.csv.gz")
    assert list(table) == [*list(answers.PREDICTIONS)[:-1], "p_cat", "p_dog, or so", "p_7"]
    assert table[["model", "seed"]].drop_duplicates().to_numpy().tolist() == [["b", 2], ["b", 1], ["a", 2], ["a", 1]]
    row = table.iloc[8].to_dict()  # of b, seed 1, the third image
    assert row == {
        "model": "b",
        "seed": 1,
        "image": 2,
        "file": "x/2.png",
        "class": "cat",
        "predicted": "dog, or so",
        "p_cat": 0.3333,
        "p_dog, or so": 0.5,
        "p_7": 0.3333,
    }
