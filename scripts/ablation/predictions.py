"""The saved test predictions of runs."""

from dataclasses import dataclass

import numpy as np

from ablation.errors import InputError
from ablation.files import read_npz


@dataclass(frozen=True)
class Predictions:
    """Of the runs of one model: probabilities, (runs, images, classes) float16; predicted, (runs, images) labels."""

    probabilities: np.ndarray
    predicted: np.ndarray


def read(paths, models):
    """Return Predictions by model, models in the order of their first run, and the (images,) true labels.

    paths: predictions.npz of some runs on the same images; models: the model of each.
    Raises InputError as `files.read_npz` does, and where the images differ.
    """
    found, labels = {}, None
    for path, model in zip(paths, models, strict=True):
        probabilities, predicted, own = read_npz(path, "probabilities", "predicted", "labels")
        labels = own if labels is None else labels
        if not np.array_equal(own, labels):
            raise InputError(f"{path}: is of other test images than {paths[0]}; delete both and run again")
        found.setdefault(model, []).append((probabilities, predicted))
    return {model: Predictions(*map(np.stack, zip(*runs, strict=True))) for model, runs in found.items()}, labels
