"""Labelled images: where they come from, and the checks that they all pass."""

from dataclasses import dataclass, replace

import numpy as np

from ablation.errors import InputError
from ablation.files import read_npz

MOST_CLASSES = 10_000
SMALLEST_SIDE = 16  # pixels; two blocks of two 3x3 convolutions and a pool leave one


@dataclass(frozen=True)
class Dataset:
    """x_*: (n, height, width, 3) uint8; y_*: (n,) int64 labels from 0; class_names: (classes,) str."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: np.ndarray


def digits(seed):
    """Return scikit-learn's 1,797 handwritten digits as a Dataset of 32 x 32 x 3 images.

    The 8 x 8 pixels of 0 to 16 are repeated four times each way and scaled to 0 to 255, and a
    sixth of every class is held out for testing. `seed` fixes which.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = images.repeat(4, axis=1).repeat(4, axis=2)[..., None].repeat(3, axis=3)
    return _hold_out(images, labels.astype(np.int64), np.array([str(digit) for digit in range(10)]), seed)


def from_npz(path, seed):
    """Return the Dataset in an npz with `images` and `labels`.

    The file may also hold `test_images` and `test_labels` (otherwise a sixth of every class is
    held out; `seed` fixes which) and `class_names`. Raises InputError for whatever is missing,
    of a wrong type or shape, or out of range.
    """
    images, labels = read_npz(path, "images", "labels")
    labels = _checked(path, "images", images, "labels", labels)
    with np.load(path, allow_pickle=False) as archive:
        others = set(archive.files) - {"images", "labels"}
    if "class_names" in others:
        (class_names,) = read_npz(path, "class_names")
        if class_names.ndim != 1 or class_names.dtype.kind != "U":
            raise InputError(f"{path}: class_names has to be a list of texts, one a class")
    else:
        class_names = np.array([str(label) for label in range(labels.max() + 1)])
    if not others & {"test_images", "test_labels"}:
        dataset = _hold_out(images, labels, class_names, seed, path)
    else:
        x_test, y_test = read_npz(path, "test_images", "test_labels")
        y_test = _checked(path, "test_images", x_test, "test_labels", y_test)
        if x_test.shape[1:] != images.shape[1:]:
            raise InputError(f"{path}: test_images are {x_test.shape[1:]}, images are {images.shape[1:]}")
        dataset = Dataset(images, labels, x_test, y_test, class_names)
    check_classes(path, dataset)
    return dataset


def _checked(path, images_key, images, labels_key, labels):
    """Return the labels as int64 after checking both arrays."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise InputError(
            f"{path}: {images_key} is {images.dtype} of shape {images.shape}; it has to be uint8, N x H x W x 3"
        )
    if min(images.shape[1:3]) < SMALLEST_SIDE:
        raise InputError(f"{path}: {images_key} are {images.shape[1]} x {images.shape[2]}; "
                         f"the networks need at least {SMALLEST_SIDE} pixels a side")  # fmt: skip
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (len(images),):
        raise InputError(
            f"{path}: {labels_key} is {labels.dtype} of shape {labels.shape}; it has to be {len(images)} integers"
        )
    if len(labels) == 0:
        raise InputError(f"{path}: {images_key} is empty")
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise InputError(f"{path}: {labels_key} has to be between 0 and {MOST_CLASSES - 1}")
    return labels.astype(np.int64)


def check_classes(path, dataset):
    """Raise InputError unless every label has a class name and every class a training image."""
    classes = len(dataset.class_names)
    labels = np.concatenate([dataset.y_train, dataset.y_test])
    if labels.max() >= classes:
        raise InputError(f"{path}: label {labels.max()} is out of range; there are {classes} classes, from 0")
    absent = np.setdiff1d(np.arange(classes), dataset.y_train)
    if len(absent):
        raise InputError(f"{path}: no training image has label {absent[0]} ({dataset.class_names[absent[0]]})")


def _hold_out(images, labels, class_names, seed, path="digits"):
    """Split a sixth of every class off for testing."""
    from sklearn.model_selection import train_test_split

    try:
        x_train, x_test, y_train, y_test = train_test_split(
            images, labels, test_size=1 / 6, random_state=seed, stratify=labels
        )
    except ValueError as error:
        raise InputError(f"{path}: cannot hold out a sixth of every class for testing ({error})") from None
    return Dataset(x_train, y_train, x_test, y_test, class_names)


def permuted(dataset, seed, train_images=None, test_images=None):
    """Return the dataset with its training images in one random order, and cut to the limits given.

    The limits keep the first `train_images` of that order and the first `test_images` of the
    test set as it stands; None keeps all. Raises InputError for a limit that is out of reach
    or leaves a class without a training image.
    """
    for name, limit, images in (
        ("train_images", train_images, dataset.x_train),
        ("test_images", test_images, dataset.x_test),
    ):
        if limit is not None and limit > len(images):
            raise InputError(f"limits.{name}: {limit} is more than the {len(images)} images there are")
    order = np.random.default_rng(seed).permutation(len(dataset.x_train))[:train_images]
    cut = replace(
        dataset,
        x_train=dataset.x_train[order],
        y_train=dataset.y_train[order],
        x_test=dataset.x_test[:test_images],
        y_test=dataset.y_test[:test_images],
    )
    check_classes("limits.train_images", cut)
    if len(cut.x_test) < 2:
        raise InputError(f"{len(cut.x_test)} test image: there have to be two at least, or nothing can be compared")
    return cut


def split_point(n, validation_split):
    """Return how many of n images are trained on, as Keras splits them; the rest validates.

    Raises InputError where one of the two would be empty, though validation_split asks for both.
    """
    at = int(n * (1 - validation_split))
    if at == 0 or (at == n and validation_split):
        raise InputError(f"validation_split: {validation_split} of {n} training images leaves one part empty")
    return at


def split(images, labels, spec, seed):
    """Return (images, labels) to train on and (images, labels) to validate on, as a ModelSpec says.

    The latter are the last spec.validation_split of all, with spec.validation_images "by_seed"
    after a permutation drawn from the seed. Raises InputError as `split_point` does.
    """
    at = split_point(len(images), spec.validation_split)
    if spec.validation_images == "by_seed":
        shuffled = np.random.default_rng([seed, 0]).permutation(len(images))  # epochs count from 1
        images, labels = images[shuffled], labels[shuffled]
    return (images[:at], labels[:at]), (images[at:], labels[at:])
