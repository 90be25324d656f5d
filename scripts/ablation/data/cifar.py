"""The archives of CIFAR-10 and CIFAR-100: read without extracting it and without executing it.

Source of the format: Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny
Images", 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import gzip
import io
import pickle
import pickletools
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ablation.data.datasets import Dataset
from ablation.errors import InputError

MEMBER_LIMIT = 512 * 2**20  # bytes; the training images of CIFAR-100 have 155 MB


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles numpy arrays and the built-in containers, and nothing else.

    A pickle names the callables that build its objects. Only the three that build an array
    of numbers are admitted; any other name raises pickle.UnpicklingError.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty_array
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not an array")


def _empty_array(subtype: type, shape: tuple, typecode: bytes) -> np.ndarray:
    """Stand in for numpy's `_reconstruct`: the array's own state sets shape, dtype and data."""
    return np.ndarray((0,), dtype=np.uint8)


def read_archive(
    source: str | Path,
    train_names: list[str],
    test_name: str,
    meta_name: str,
    labels_key: bytes,
    class_names_key: bytes,
    classes: int,
) -> Dataset:
    """Return the Dataset in an archive (python version, .tar.gz), in its order.

    train_names, test_name, meta_name: its members; labels_key, class_names_key: entries of these; classes: how many.

    Members are read in memory, by name; nothing is extracted, so no path in the archive can lead anywhere. Raises
    InputError for an archive that is truncated, fails its own checksum, lacks a member, or holds anything but what the
    format allows.
    """
    wanted = {*train_names, test_name, meta_name}
    found = {}
    try:
        with gzip.open(source) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.size > MEMBER_LIMIT:
                    raise InputError(f"{source}: {member.name!r} has {member.size:,} bytes; not a CIFAR archive")
                if member.name in wanted and member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    found[member.name] = _unpickle(source, member.name, content.read())
            while stream.read(2**20):
                pass  # gzip compares the checksum at the end
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{source}: truncated or corrupt CIFAR archive ({error}); download it again") from None
    missing = sorted(wanted - found.keys())
    if missing:
        raise InputError(f"{source}: has no '{missing[0]}'; not the python version of this CIFAR archive")

    parts = [_images_and_labels(source, name, found[name], labels_key, classes) for name in (*train_names, test_name)]
    (*train, (x_test, y_test)) = parts
    return Dataset(
        x_train=np.concatenate([images for images, _ in train]),
        y_train=np.concatenate([labels for _, labels in train]),
        x_test=x_test,
        y_test=y_test,
        class_names=_class_names(source, meta_name, found[meta_name], class_names_key, classes),
    )


def _unpickle(source: str | Path, name: str, content: bytes) -> Any:
    try:
        for opcode, argument, _ in pickletools.genops(content):
            # Room is made for the highest number in the memo, and no pickle needs one beyond its length.
            if opcode.name == "BYTEARRAY8" or ("PUT" in opcode.name and int(argument or 0) > len(content)):
                raise pickle.UnpicklingError(f"it has {opcode.name} {argument}")
        return ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a forged pickle can raise anything; none of it is a defect of ours
        raise InputError(f"{source}: {name} cannot be read ({' '.join(str(error).split())})") from None


def _images_and_labels(
    source: str | Path, name: str, batch: Any, labels_key: bytes, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 32, 32, 3) uint8 images and (n,) int64 labels of one unpickled batch."""
    data = batch.get(b"data") if isinstance(batch, dict) else None
    labels = batch.get(labels_key) if isinstance(batch, dict) else None
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 2 and data.shape[1] == 3072):
        raise InputError(f"{source}: {name} has no array 'data' of uint8, n x 3072")
    if not (
        isinstance(labels, list)
        and len(labels) == len(data) > 0
        and all(type(label) is int and 0 <= label < classes for label in labels)
    ):
        raise InputError(
            f"{source}: {name} has no list '{labels_key.decode()}' of {len(data)} integers from 0 to {classes - 1}"
        )
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(labels, dtype=np.int64)


def _class_names(source: str | Path, meta_name: str, meta: Any, key: bytes, classes: int) -> np.ndarray:
    names = meta.get(key) if isinstance(meta, dict) else None
    if not (isinstance(names, list) and len(names) == classes and all(isinstance(name, bytes) for name in names)):
        raise InputError(f"{source}: {meta_name} has no list '{key.decode()}' of {classes} names")
    return np.array([name.decode("ascii", "replace") for name in names])
