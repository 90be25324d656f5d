"""IDX files, the format of MNIST: a header of big-endian integers, then bytes.

Source of the format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

from ablation.data.datasets import Dataset
from ablation.errors import InputError

UINT8 = 0x08  # the third byte of a file, its type; the fourth is the number of axes
LIMIT = 256 * 2**20  # bytes; the largest genuine file has 47 MB


def read_folder(folder: str | Path, class_names: list[str]) -> Dataset:
    """Return the Dataset in a folder with the four files of MNIST, or of a data set in its form, in their order.

    Raises InputError as `read_idx`, and for labels that are not one of the classes each or not one per image.
    """
    parts: list[np.ndarray] = []
    for part in ("train", "t10k"):
        images_path, labels_path = (Path(folder, f"{part}-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
        images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        if len(images) != len(labels) or len(labels) == 0:
            raise InputError(f"{labels_path}: has {len(labels)} labels, {images_path.name} {len(images)} images")
        if labels.max() >= len(class_names):
            raise InputError(f"{labels_path}: has a label {labels.max()}; expected 0 to {len(class_names) - 1}")
        parts += [images[..., None], labels.astype(np.int64)]
    x_train, y_train, x_test, y_test = parts
    return Dataset(x_train, y_train, x_test, y_test, np.array(class_names))


def read_idx(path: Path, axes: int) -> np.ndarray:
    """Return the uint8 array of so many axes in a gzipped IDX file.

    Raises InputError for a file that is missing, truncated, longer than its header says, or of another type.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: truncated or corrupt gzip file ({error}); download it again") from None
    header = 4 + 4 * axes
    shape = tuple(map(int, np.frombuffer(content[4:header], ">u4"))) if len(content) >= header else ()
    if content[:4] != bytes([0, 0, UINT8, axes]) or len(shape) != axes:
        raise InputError(f"{path}: is no IDX file of bytes with {axes} axes")
    if len(content) != header + int(np.prod(shape, dtype=object)):
        raise InputError(f"{path}: its header says {' x '.join(map(str, shape))}, and it has {len(content)} bytes")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
