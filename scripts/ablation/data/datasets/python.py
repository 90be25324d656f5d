"""Images that a user's own Python file returns."""

from pathlib import Path

import numpy as np

from ablation.data.datasets import Dataset, from_arrays
from ablation.errors import InputError
from ablation.own_files import describe_error, load_module


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset of the arrays, as `datasets.from_arrays` takes them, that `read(seed)` of a file returns.

    Raises InputError as that does, with file and line for what the user's code raises, and for anything but a mapping
    of arrays.
    """
    path = Path(source)
    module = load_module("dataset.path", path, "read")
    try:
        returned = module.read(seed)
    except Exception as error:  # a user's code can raise anything
        raise InputError(f"dataset.path: {describe_error(path, error)}") from None
    if not isinstance(returned, dict) or not all(isinstance(array, np.ndarray) for array in returned.values()):
        raise InputError(f"{path}: read(seed) must return a dict of NumPy arrays, images and labels among them")
    return from_arrays(path, returned, seed)
