"""A user's own images, in an npz file."""

from pathlib import Path

import numpy as np

from ablation.data.datasets import Dataset, check_images, stratified_split
from ablation.errors import InputError
from ablation.files import read_npz


def read(source: str | Path, seed: int) -> Dataset:
    """Return the Dataset in an npz with `images` and `labels`.

    The file may also hold `test_images` and `test_labels` (otherwise a sixth of every class is held out for testing;
    `seed` fixes which) and `class_names`. Raises InputError for what is missing, of a wrong type or shape, or out of
    range.
    """
    images, labels = read_npz(source, "images", "labels")
    labels = check_images(source, "images", images, "labels", labels)
    with np.load(source, allow_pickle=False) as archive:
        optional = set(archive.files)
    if "class_names" in optional:
        (class_names,) = read_npz(source, "class_names")
        if class_names.ndim != 1 or class_names.dtype.kind != "U":
            raise InputError(f"{source}: class_names: expected a list of strings, one per class")
    else:
        class_names = np.array([str(label) for label in range(labels.max() + 1)])
    if not optional & {"test_images", "test_labels"}:
        return stratified_split(source, images, labels, class_names, seed)
    x_test, y_test = read_npz(source, "test_images", "test_labels")
    y_test = check_images(source, "test_images", x_test, "test_labels", y_test)
    if x_test.shape[1:] != images.shape[1:]:
        raise InputError(f"{source}: test_images are {x_test.shape[1:]}, images are {images.shape[1:]}")
    return Dataset(images, labels, x_test, y_test, class_names)
