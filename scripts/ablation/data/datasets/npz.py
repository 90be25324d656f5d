"""A user's own images, in an npz file."""

from pathlib import Path

import numpy as np

from ablation.data.datasets import Dataset, from_arrays
from ablation.files import read_npz


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset in an npz that has the arrays of `datasets.from_arrays`.

    Raises InputError as that does, and as `files.read_npz`.
    """
    remedy = "dataset.path needs one that numpy.load can read"
    read_npz(source, remedy=remedy)  # whether it is one
    with np.load(source, allow_pickle=False) as archive:
        names = archive.files
    return from_arrays(source, dict(zip(names, read_npz(source, *names, remedy=remedy), strict=True)), seed)
