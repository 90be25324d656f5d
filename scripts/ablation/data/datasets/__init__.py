"""Labeled images: one module per data set, with a function `read(source, seed)`, and the checks that all pass."""

import importlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ablation.errors import InputError

MAX_CLASSES = 10_000
MIN_SIDE = 16  # pixels; two blocks of two 3x3 convolutions and a pool leave one


@dataclass(frozen=True)
class Dataset:
    """x_*: (n, height, width, 3) uint8; y_*: (n,) int64 labels from 0; class_names: (classes,) str."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: np.ndarray


def read_dataset(name: str, source: str | Path | None, seed: int) -> Dataset:
    """Return a data set as its module in this package reads it, checked.

    source: the file it is read from, None if it comes with a package; seed: fixes which images are held out for
    testing, if the data set doesn't say.

    Raises InputError for what is missing, of a wrong type or shape, or out of range.
    """
    dataset = importlib.import_module(f"{__name__}.{name}").read(source, seed)
    check_classes(source or name, dataset)
    return dataset


def check_images(where: object, images_key: str, images: np.ndarray, labels_key: str, labels: np.ndarray) -> np.ndarray:
    """Return (n,) labels as int64; raise InputError unless there is one per image, and images are as in a Dataset."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise InputError(
            f"{where}: {images_key}: expected uint8 of shape N x H x W x 3, got {images.dtype} of shape {images.shape}"
        )
    if min(images.shape[1:3]) < MIN_SIDE:
        raise InputError(
            f"{where}: {images_key}: must be at least {MIN_SIDE} x {MIN_SIDE} pixels"
            f" (got {images.shape[1]} x {images.shape[2]})"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (len(images),):
        raise InputError(
            f"{where}: {labels_key}: expected {len(images)} integers, got {labels.dtype} of shape {labels.shape}"
        )
    if len(labels) == 0:
        raise InputError(f"{where}: {images_key}: must not be empty")
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise InputError(f"{where}: {labels_key}: must be from 0 to {MAX_CLASSES - 1}")
    return labels.astype(np.int64)


def check_classes(where: object, dataset: Dataset) -> None:
    """Raise InputError unless there are two classes, with a name and a training image each, and two test images."""
    classes = len(dataset.class_names)
    largest = max(dataset.y_train.max(initial=0), dataset.y_test.max(initial=0))
    if largest >= classes:
        raise InputError(f"{where}: label {largest} is out of range; there are {classes} classes, from 0")
    if classes < 2:
        raise InputError(f"{where}: must have at least two classes (got {classes})")
    absent = np.setdiff1d(np.arange(classes), dataset.y_train)
    if len(absent):
        raise InputError(f"{where}: no training image has label {absent[0]} ({dataset.class_names[absent[0]]})")
    if len(dataset.y_test) < 2:
        raise InputError(f"{where}: must have at least two test images (got {len(dataset.y_test)})")


def stratified_split(
    where: object, images: np.ndarray, labels: np.ndarray, class_names: np.ndarray, seed: int
) -> Dataset:
    """Return a Dataset of which a sixth of every class is held out for testing; `seed` fixes which.

    Raises InputError if a class has too few images.
    """
    from sklearn.model_selection import train_test_split

    try:
        x_train, x_test, y_train, y_test = train_test_split(
            images, labels, test_size=1 / 6, random_state=seed, stratify=labels
        )
    except ValueError as error:
        raise InputError(f"{where}: cannot hold out a sixth of every class for testing ({error})") from None
    return Dataset(x_train, y_train, x_test, y_test, class_names)


def shuffle(dataset: Dataset, seed: int) -> Dataset:
    """Return the data set with its training images in a random order, which the seed fixes."""
    order = np.random.default_rng(seed).permutation(len(dataset.x_train))
    return replace(dataset, x_train=dataset.x_train[order], y_train=dataset.y_train[order])
