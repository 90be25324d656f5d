"""The CIFAR-100 archive, with its 100 fine labels."""

from pathlib import Path

from ablation.data.cifar import read_archive
from ablation.data.datasets import Dataset

FOLDER = "cifar-100-python"


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset in the CIFAR-100 archive (python version, .tar.gz), as `cifar.read_archive` reads it."""
    return read_archive(
        source, [f"{FOLDER}/train"], f"{FOLDER}/test", f"{FOLDER}/meta", b"fine_labels", b"fine_label_names", 100
    )
