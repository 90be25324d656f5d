"""What the runs of a study answer, in tables to go on with: by class, by pair of classes, by image."""

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablation.report.statistics import SeedScores
from ablation.report.study import Predictions, Study, confusion_counts
from ablation.report.wording import FEW

LEVEL = 4  # of gzip's compression: 4% larger than at 6, in less than half the time

CONFUSION = {
    "model": "name of the model",
    "class": "true class",
    "predicted": "class that it is taken for",
    "count": "images of the one that are taken for the other, mean over seeds",
    "fraction": "`count` divided by the images of `class`; empty where it has none",
}  # columns of confusion.csv, and what each is; docs/files.md has the same
CLASSES = {
    "model": "name of the model",
    "class": "true class",
    "support": "images of this class",
    "recall": "fraction of them classified correctly, the accuracy of the class, mean over seeds; empty without images",
    "precision": "fraction of the images predicted as this class that are of it, mean over those seeds that predict it"
    " at all; empty where none does",
    "f1": "harmonic mean of the two in each seed, 0 where nothing is correct, mean over seeds; empty where the class is"
    " neither there nor predicted",
}  # of classes.csv
PREDICTIONS = {
    "model": "name of the model",
    "seed": "seed of the run",
    "image": "index of the image in `predictions.npz`",
    "file": "name of its file, where it has one",
    "class": "true class",
    "predicted": "class that the run predicts",
    "p_{class}": "a column per class: its probability, to four digits",
}  # of predictions.csv.gz


@dataclass(frozen=True)
class Answers:
    """What `collate` finds: scores and balanced accuracies (fractions, means over seeds) by model, and three tables."""

    scores: dict[str, SeedScores]
    balanced_accuracies: dict[str, float]
    confusion: pd.DataFrame
    classes: pd.DataFrame
    mistakes: pd.DataFrame


def collate(study: Study, path: Path) -> Answers:
    """Return the answers of all runs, reading each once, and write predictions.csv.gz into the file `path`.

    Of more than FEW models predictions.csv.gz has the best and the baseline, which are read once more. The tables have
    the columns of CONFUSION and CLASSES, and those of `Study.mistakes` behind `model`; models and classes are in the
    order of the study.
    """
    scores, counts, mistakes = {}, {}, {}
    with _gzip_csv(path) as writer:
        names = study.class_names.tolist()
        writer.writerow([*list(PREDICTIONS)[:-1], *(f"p_{name}" for name in names)])
        for model in study.models:
            runs = study.predictions(model)
            scores[model] = SeedScores.from_correct(runs.predicted == study.labels)
            counts[model] = confusion_counts(runs.predicted, study.labels, len(names))
            mistakes[model] = study.mistakes(model, runs)
            if len(study.models) <= FEW:
                _write_predictions(writer, study, model, runs)
        if len(study.models) > FEW:
            best = min(scores, key=lambda model: (-scores[model].accuracy, model))
            for model in (model for model in study.models if model in {study.baseline, best}):
                _write_predictions(writer, study, model, study.predictions(model))
    classes = _by_model({model: class_table(of_model, names) for model, of_model in counts.items()})
    return Answers(
        scores,
        classes.groupby("model")["recall"].mean().to_dict(),
        _by_model({model: confusion_table(of_model, names) for model, of_model in counts.items()}),
        classes,
        _by_model(mistakes),
    )


def confusion_table(counts: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Return the rows of a model in confusion.csv. counts: as `confusion_counts` returns them."""
    means = counts.mean(axis=0)
    return pd.DataFrame(
        {
            "class": np.repeat(names, len(names)),
            "predicted": np.tile(names, len(names)),
            "count": means.ravel(),
            "fraction": _ratio(means, means.sum(axis=1, keepdims=True)).ravel(),
        }
    )


def class_table(counts: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Return the rows of a model in classes.csv. counts: as `confusion_counts` returns them."""
    correct, support, answered = counts.diagonal(axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)
    return pd.DataFrame(
        {
            "class": names,
            "support": support[0],
            "recall": _ratio(correct, support).mean(axis=0),
            "precision": pd.DataFrame(_ratio(correct, answered)).mean(),  # over seeds that have one
            "f1": pd.DataFrame(_ratio(2 * correct, support + answered)).mean(),
        }
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _by_model(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, names=["model"]).reset_index("model").reset_index(drop=True)


@contextmanager
def _gzip_csv(path: Path) -> Iterator[Any]:
    """Yield a writer of CSV into a gzip file, whose bytes are the same for the same rows: it holds no name, no time."""
    with (
        open(path, "wb") as raw,
        gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        yield csv.writer(text, lineterminator="\n")


def _write_predictions(writer: Any, study: Study, model: str, runs: Predictions) -> None:
    """Write the rows of a model, by seed and image."""
    images, names = len(study.labels), study.class_names
    image_files = [""] * images if study.image_files is None else study.image_files.tolist()
    true = names[study.labels].tolist()
    for seed, probabilities, predicted in zip(study.seeds, runs.probabilities, runs.predicted, strict=True):
        values, where = np.unique(probabilities, return_inverse=True)  # of float16 there are few, and texts cost time
        texts = np.array([f"{value:.4g}" for value in values.tolist()])[where].T.tolist()
        columns = [[model] * images, [seed] * images, range(images), image_files, true, names[predicted].tolist()]
        writer.writerows(zip(*columns, *texts, strict=True))
