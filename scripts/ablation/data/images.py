"""Images as files and as what a network sees: images.npz and zca.npz, and their training, validation and test parts."""

from pathlib import Path

import numpy as np

from ablation import files
from ablation.errors import InputError
from ablation.keys import key_of
from ablation.settings.specs import ModelSpec

Labeled = tuple[np.ndarray, np.ndarray]  # images and their labels


def scale(images: np.ndarray) -> np.ndarray:
    """Return uint8 pixels as float32 from 0 to 1, of the same shape."""
    return images.astype(np.float32) / np.float32(255)


def network_input(images: np.ndarray) -> np.ndarray:
    """Return what a network sees of images of images.npz or zca.npz: raw pixels scaled, whitened ones as they are."""
    return scale(images) if images.dtype == np.uint8 else images


def write_images(path: str | Path, made_from: dict, facts: dict | None = None, **arrays: np.ndarray) -> None:
    """Write x_train, y_train, x_test, y_test and other arrays as an npz, and its record: the same name, as .json.

    made_from: everything that decides the arrays. The record holds it, its key, the digests of both parts, and the
    facts, as JSON has them.
    """
    path = Path(path)
    digests = {part: files.array_digest(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")}
    files.write_npz(path, **arrays)
    record = {"key": key_of(made_from), "digests": digests, **(facts or {}), "made_from": made_from}
    files.write_record(path.with_suffix(".json"), record)


def read_images(path: str | Path, part: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the images and labels of `part`, "train" or "test", of an npz, and the digest of that part in hexadecimal.

    limit: how many to return, the first ones; None is all. The digest is of all of them.

    Returns (n, height, width, channels) uint8 or float32, (n,) int64, and 64 digits. Raises InputError as
    `files.read_npz` does, where the record next to the file is of another key than the folder's name or the arrays are
    not those of the record, or where they are fewer than the limit.
    """
    path = Path(path)
    record = path.with_suffix(".json")
    recorded = files.read_record(record, key=str, digests=dict)
    if recorded["key"] != path.absolute().parent.name:
        raise InputError(f"{path}: {record.name} is of the key {recorded['key']}; delete both and run again")
    images, labels = files.read_npz(path, f"x_{part}", f"y_{part}")
    expected = recorded["digests"].get(part)
    if files.array_digest(images, labels) != expected:
        raise InputError(f"{path}: its {part} images do not match the digest in {record}; delete both and run again")
    if limit is not None:
        if limit > len(images):
            raise InputError(f"limits.{part}_images: {limit} is more than the {len(images)} images there are")
        images, labels = images[:limit].copy(), labels[:limit].copy()
    return images, labels, expected


def split_point(n: int, validation_split: float) -> int:
    """Return how many of n images are trained on, as Keras splits them; the others validate.

    Raises InputError where one of the two would be empty, though validation_split asks for both.
    """
    at = int(n * (1 - validation_split))
    if at == 0 or (at == n and validation_split):
        raise InputError(f"validation_split: {validation_split} of {n} training images leaves one part empty")
    return at


def split(
    images: np.ndarray, labels: np.ndarray, spec: ModelSpec, seed: int, limit: int | None = None
) -> tuple[Labeled, Labeled]:
    """Return the images and labels to train on, and those to validate on.

    The latter are the last spec.validation_split of all; with spec.validation_images "by_seed" after a permutation
    drawn from the seed. limit: how many of all to use, the validation part included; None is all. They are the first
    of the former and the last of the latter, so that no image changes sides with the limit.

    Raises InputError as `split_point` does, for a limit above the number of images, and where it leaves a class without
    an image.
    """
    n = len(images) if limit is None else limit
    if n > len(images):
        raise InputError(f"limits.train_images: {n} is more than the {len(images)} images there are")
    at = split_point(n, spec.validation_split)
    if spec.validation_images == "by_seed":
        shuffled = np.random.default_rng([seed, 0]).permutation(len(images))  # epochs count from 1
        images, labels = images[shuffled], labels[shuffled]
    train, validation = slice(at), slice(len(images) - (n - at), None)
    absent = np.setdiff1d(labels, np.concatenate([labels[train], labels[validation]]))
    if len(absent):
        raise InputError(f"limits.train_images: {n} are too few: none of them has label {absent[0]}")
    return (images[train], labels[train]), (images[validation], labels[validation])
