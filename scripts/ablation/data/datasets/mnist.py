"""MNIST: handwritten digits, 28 x 28 x 1.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.
"""

from pathlib import Path

from ablation.data import idx
from ablation.data.datasets import Dataset

CLASS_NAMES = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset in the folder `source`, as `idx.read_folder` reads it."""
    return idx.read_folder(source, CLASS_NAMES)
