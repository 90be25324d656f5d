"""A user's own images, in an npz file."""

from pathlib import Path

import numpy as np

from ablation.data.datasets import Dataset, from_arrays
from ablation.files import read_npz


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset in an npz that has the arrays of `datasets.from_arrays`.

    Raises InputError as that does, and as `files.read_npz`.
    """
    read_npz(source)  # whether it is one
    with np.load(source, allow_pickle=False) as archive:
        names = archive.files
    return from_arrays(source, dict(zip(names, read_npz(source, *names), strict=True)), seed)
