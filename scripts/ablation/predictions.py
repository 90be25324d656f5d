"""The saved test predictions of runs."""

import numpy as np

from ablation.errors import InputError
from ablation.files import read_npz


def read(paths):
    """Return the test predictions of some runs on the same images.

    paths: their predictions.npz. Returns (runs, images, classes) float16 probabilities, (runs, images)
    predicted labels and (images,) true labels. Raises InputError as `files.read_npz` does, and
    where the images differ.
    """
    probabilities, predicted, labels = zip(
        *(read_npz(path, "probabilities", "predicted", "labels") for path in paths), strict=True
    )
    for path, other in zip(paths, labels, strict=True):
        if not np.array_equal(other, labels[0]):
            raise InputError(f"{path}: is of other test images than {paths[0]}; delete both and run again")
    return np.stack(probabilities), np.stack(predicted), labels[0]
