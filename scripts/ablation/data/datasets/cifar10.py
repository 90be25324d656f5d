"""The CIFAR-10 archive."""

from pathlib import Path

from ablation.data.cifar import read_archive
from ablation.data.datasets import Dataset

FOLDER = "cifar-10-batches-py"
TRAIN_BATCHES = [f"{FOLDER}/data_batch_{number}" for number in range(1, 6)]
TEST_BATCH = f"{FOLDER}/test_batch"
META = f"{FOLDER}/batches.meta"


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset in the CIFAR-10 archive (python version, .tar.gz), as `cifar.read_archive` reads it."""
    return read_archive(source, TRAIN_BATCHES, TEST_BATCH, META, b"labels", b"label_names", 10)
