"""Images that a user's own Python file returns."""

from pathlib import Path

import numpy as np

from ablation.data.datasets import Dataset, from_arrays
from ablation.errors import InputError
from ablation.own_files import RAISED, describe_error, load_module


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset of the arrays, as `datasets.from_arrays` takes them, that `read(seed)` of a file returns.

    Raises InputError as that does, with file and line for what the user's code raises, and for anything but a dict
    of arrays, or of lists that become some.
    """
    path = Path(source)
    module = load_module("dataset.path", path, "read")
    try:
        returned = module.read(seed)
        arrays = {name: np.asarray(array) for name, array in returned.items()} if isinstance(returned, dict) else {}
    except RAISED as error:
        raise InputError(f"dataset.path: {describe_error(path, error)}") from None
    if not arrays:
        raise InputError(f"{path}: read(seed) must return a dict of NumPy arrays, images and labels among them")
    return from_arrays(path, arrays, seed)
