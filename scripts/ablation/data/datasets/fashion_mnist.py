"""Fashion-MNIST: articles of clothing, 28 x 28 x 1.

Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", 2017, https://github.com/zalandoresearch/fashion-mnist.
"""

from pathlib import Path

from ablation.data import idx
from ablation.data.datasets import Dataset

CLASS_NAMES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset in the folder `source`, as `idx.read_folder` reads it."""
    return idx.read_folder(source, CLASS_NAMES)
