"""Images that a user's own Python file returns."""

from pathlib import Path

import numpy as np

from ablation.data.datasets import Dataset, from_arrays
from ablation.errors import InputError
from ablation.own_files import load_module, own_code


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset of the arrays, as `datasets.from_arrays` takes them, that `read(seed)` of a file returns.

    Raises InputError as that does, with file and line for what the user's code raises, and for anything but a dict
    of arrays, or of lists that become some.
    """
    path = Path(source)
    module = load_module("dataset.path", path, "read")
    with own_code("dataset.path", path):
        returned = module.read(seed)
        arrays = {name: np.asarray(array) for name, array in returned.items()} if isinstance(returned, dict) else {}
    if not arrays:
        raise InputError(f"{path}: read(seed) must return a dict of NumPy arrays, images and labels among them")
    return from_arrays(path, arrays, seed)
