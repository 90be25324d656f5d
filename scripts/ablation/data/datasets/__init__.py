"""Labeled images: one module per data set, with a function `read(source, seed)`, and the checks that all pass."""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ablation.data.images import split_point
from ablation.errors import InputError
from ablation.files import array_digest

MAX_CLASSES = 10_000
ARRAYS = ["images", "labels", "test_images", "test_labels", "class_names"]  # of a user
MIN_SIDE = 16  # pixels; two blocks of two 3x3 convolutions and a pool leave one


def _none() -> np.ndarray:
    return np.array([], dtype=str)


@dataclass(frozen=True)
class Dataset:
    """x_*: (n, height, width, 1 or 3) uint8; y_*: (n,) int64 labels from 0; class_names: (classes,) str.

    train_files, test_files: names of files, (n,) str; groups: of the training images, (n,) str. All three may
    be empty.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: np.ndarray
    train_files: np.ndarray = field(default_factory=_none)
    test_files: np.ndarray = field(default_factory=_none)
    groups: np.ndarray = field(default_factory=_none)


def read_dataset(name: str, source: str | Path | None, seed: int, **settings: object) -> Dataset:
    """Return a data set as its module in this package reads it, checked.

    source: the file or folder it is read from, None if it comes with a package; seed: fixes which images are held out
    for testing, if the data set doesn't say; settings: those of `dataset` that its `read` takes besides.

    Raises InputError for what is missing, of a wrong type or shape, or out of range.
    """
    dataset = importlib.import_module(f"{__name__}.{name}").read(source, seed, **settings)
    check_classes(source or name, dataset)
    return dataset


def from_arrays(where: object, arrays: Mapping[str, np.ndarray], seed: int) -> Dataset:
    """Return the Dataset of a user's arrays.

    arrays: `images`, (n, height, width), (n, height, width, 1) or (n, height, width, 3) uint8, and their `labels`; also
    `test_images` and `test_labels` (otherwise a sixth of every class is held out for testing; `seed` fixes which) and
    `class_names`, where there are any. where: what messages begin with.

    Raises InputError for what is missing, unknown, of a wrong type or shape, or out of range.
    """
    unknown = sorted(arrays.keys() - set(ARRAYS))
    if unknown:
        raise InputError(f"{where}: has an array '{unknown[0]}', which is unknown; known: {', '.join(ARRAYS)}")
    images, labels = _images_and_labels(where, "images", "labels", arrays)
    class_names = arrays.get("class_names", np.array([str(label) for label in range(labels.max() + 1)]))
    if class_names.ndim != 1 or class_names.dtype.kind != "U":
        raise InputError(f"{where}: class_names: expected a list of strings, one per class")
    names, counts = np.unique(class_names, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"{where}: class_names: '{names[counts > 1][0]}' is given twice")
    if not all(name.strip() for name in class_names):
        raise InputError(f"{where}: class_names: a name is empty")
    if not arrays.keys() & {"test_images", "test_labels"}:
        return stratified_split(where, images, labels, class_names, seed)
    x_test, y_test = _images_and_labels(where, "test_images", "test_labels", arrays)
    if x_test.shape[1:] != images.shape[1:]:
        raise InputError(f"{where}: test_images are {x_test.shape[1:]}, images are {images.shape[1:]}")
    return Dataset(images, labels, x_test, y_test, class_names)


def _images_and_labels(
    where: object, images_key: str, labels_key: str, arrays: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, height, width, 1 or 3) uint8 images and (n,) int64 labels; raise InputError for anything else."""
    for key in (images_key, labels_key):
        if key not in arrays:
            raise InputError(f"{where}: has no array '{key}'; it holds {', '.join(arrays) or 'nothing'}")
    images, labels = arrays[images_key], arrays[labels_key]
    if images.dtype == np.uint8 and images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise InputError(
            f"{where}: {images_key}: expected uint8 of shape N x H x W, N x H x W x 1 or N x H x W x 3,"
            f" got {images.dtype} of shape {images.shape}"
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
    return images, labels.astype(np.int64)


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


def repeats(dataset: Dataset) -> dict[str, str]:
    """Return what is to be said of images that are there twice, pixel for pixel, by part of the data set.

    `test`: of test images that are also trained on; `train`: of training images, of which some validate the others.
    Each says of how many the copy has another class.
    """
    first: dict[str, int] = {}
    again = [(index, first.setdefault(array_digest(image), index)) for index, image in enumerate(dataset.x_train)]
    in_train = [(index, other) for index, other in again if index != other]
    in_test = [(index, first[key]) for index, key in enumerate(map(array_digest, dataset.x_test)) if key in first]

    def named(part: str, index: int) -> str:
        names = getattr(dataset, f"{part}_files")
        return names[index] if len(names) else f"{part} image {index}"

    def mislabeled(part: str, pairs: list[tuple[int, int]]) -> str:
        labels = getattr(dataset, f"y_{part}")
        wrong = [(index, other) for index, other in pairs if labels[index] != dataset.y_train[other]]
        if not wrong:
            return ""
        example = f"{named(part, wrong[0][0])} and {named('train', wrong[0][1])}"
        return f"; {len(wrong)} of them with another class, as {example}: one of the two is wrong"

    said = {}
    if in_test:
        said["test"] = (
            f"{len(in_test)} of {len(dataset.x_test)} test images are training images, too, pixel for pixel, as"
            f" {named('test', in_test[0][0])} and {named('train', in_test[0][1])};"
            f" accuracy on these says nothing about new images{mislabeled('test', in_test)}"
        )
    if in_train:
        said["train"] = (
            f"{len(in_train)} of {len(dataset.x_train)} training images are copies of others, pixel for pixel, as"
            f" {named('train', in_train[0][0])} of {named('train', in_train[0][1])};"
            f" an image may be trained on and validated on{mislabeled('train', in_train)}"
        )
    return said


def stratified_split(
    where: object, images: np.ndarray, labels: np.ndarray, class_names: np.ndarray, seed: int
) -> Dataset:
    """Return a Dataset of which a sixth of every class is held out for testing; `seed` fixes which.

    Raises InputError if a class has too few images.
    """
    train, test = held_out(where, labels, class_names, seed)
    return Dataset(images[train], labels[train], images[test], labels[test], class_names)


def held_out(
    where: object, labels: np.ndarray, class_names: np.ndarray, seed: int, groups: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the indices of the images to train on and, of a sixth of every class, of those to test on.

    With groups, (n,) str, none of them is on both sides. They are taken in a random order, each if it brings the
    classes nearer to a sixth: the sum over classes of squared differences of fractions does not grow.

    Raises InputError if a class has too few images, or groups, for both sides.
    """
    from sklearn.model_selection import train_test_split

    alone = np.flatnonzero(np.bincount(labels) == 1)
    if len(alone):
        name = class_names[alone[0]] if alone[0] < len(class_names) else alone[0]
        raise InputError(f"{where}: class '{name}' has one image; it needs two, to train and to test on")
    if groups is None:
        try:
            return train_test_split(np.arange(len(labels)), test_size=1 / 6, random_state=seed, stratify=labels)
        except ValueError as error:
            raise InputError(f"{where}: cannot hold out a sixth of every class for testing ({error})") from None
    names, numbers = np.unique(groups, return_inverse=True)
    parts = np.zeros((len(names), labels.max() + 1))  # the part of each class that a group is
    np.add.at(parts, (numbers, labels), 1 / np.bincount(labels)[labels])
    chosen, tested = [], np.zeros(parts.shape[1])
    for group in np.random.default_rng(seed).permutation(len(names)):
        if np.sum((tested + parts[group] - 1 / 6) ** 2) <= np.sum((tested - 1 / 6) ** 2) + 1e-9:
            chosen.append(group)
            tested += parts[group]
    in_test = np.isin(numbers, chosen)
    if set(labels[in_test]) != set(labels[~in_test]):
        raise InputError(
            f"{where}: cannot hold out a sixth of every class for testing without cutting a group; make folders train"
            " and test yourself, or try another dataset.shuffle_seed"
        )
    return [np.flatnonzero(~in_test), np.flatnonzero(in_test)]


def shuffle(dataset: Dataset, seed: int, validation_splits: Sequence[float] = ()) -> Dataset:
    """Return the data set with its training images in a random order, which the seed fixes.

    With groups the order is such that none is cut where any of the fractions validation_splits divides the images
    (`images.split_point`): whole groups are chosen to validate, at random as far as their sizes permit.

    Raises InputError where the sizes of the groups don't permit it.
    """
    n, rng = len(dataset.x_train), np.random.default_rng(seed)
    order = rng.permutation(n)
    if len(dataset.groups):
        parts: list[np.ndarray] = []
        rest = order
        for fraction in sorted(set(validation_splits), reverse=True):  # from the front: what no model validates on
            end = split_point(n, fraction) - sum(len(part) for part in parts)
            part, rest = _divide(dataset.groups, rest, end, fraction)
            parts.append(part)
        order = np.concatenate([*parts, rest])
    by_image = {name: getattr(dataset, name) for name in ("x_train", "y_train", "train_files", "groups")}
    return replace(dataset, **{name: array[order] for name, array in by_image.items() if len(array)})


def _divide(groups: np.ndarray, order: np.ndarray, size: int, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of `order` in two parts that have no group in common, the first of the given size.

    A sum of some groups' sizes is found by dynamic programming: bit s of an integer is whether some of the first groups
    have s images. Raises InputError where no groups have that many.
    """
    _, first, numbers, sizes = np.unique(groups[order], return_index=True, return_inverse=True, return_counts=True)
    queue = np.argsort(first)  # a group's turn is that of its first image
    reachable = [1]
    for group in queue:
        reachable.append(reachable[-1] | reachable[-1] << int(sizes[group]))
        if reachable[-1] >> size & 1:
            break
    else:
        n, before = len(groups), len(groups) - len(order)
        possible = [before + s for s in range(1, len(order)) if reachable[-1] >> s & 1]
        nearest = sorted(possible, key=lambda at: abs(at - before - size))[:2]
        way_out = " or ".join(_fraction(n, at) for at in nearest) + " would not" if nearest else "0 would not"
        raise InputError(
            f"dataset.groups: validation_split {fraction:g} of {n} training images would cut a group"
            f" ({len(sizes)} groups of {sizes.min()} to {sizes.max()} images); {way_out}"
        )
    chosen, left = [], size
    for turn in range(len(reachable) - 1, 0, -1):
        if not reachable[turn - 1] >> left & 1:
            chosen.append(queue[turn - 1])
            left -= int(sizes[queue[turn - 1]])
    inside = np.isin(numbers, chosen)
    return order[inside], order[~inside]


def _fraction(n: int, at: int) -> str:
    """Return the shortest decimal fraction that as a validation_split of n images leaves `at` to train on."""
    shortest = ((math.floor((1 - at / n) * 10**d) - step) / 10**d for d in range(1, 12) for step in (0, 1))
    return next(f"{fraction:.12g}" for fraction in shortest if int(n * (1 - fraction)) == at)  # as images.split_point
