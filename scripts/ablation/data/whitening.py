"""ZCA whitening, as Keras 2.1's ImageDataGenerator(zca_whitening=True) computed it.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
appendix A; with Keras 2.1.4's mean per channel and its epsilon inside the root.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg

from ablation.data.images import scale, split_point
from ablation.errors import InputError

BLOCK = 4096  # images in float64 at a time: 100 MB of 32 x 32 x 3
# Spread of whitened test images over that of the images that the whitening was fitted on. CIFAR-10 has 1.06.
WORTH_A_WARNING = 1.5
RUINOUS = 3.0
WAYS_OUT = (
    "set input: raw, a larger whitening.epsilon or, with a folder, a smaller dataset.size, or give it more images"
)


@dataclass(frozen=True)
class ZCA:
    """A fitted whitening of images with d = height * width * channels values.

    mean: (channels,) float32; filters: (d, d) float32, symmetric; eigenvalues: (d,) float64 of
    the covariance, largest first; epsilon: added to them before the inverse root; fitted_on: number of images.
    """

    mean: np.ndarray
    filters: np.ndarray
    eigenvalues: np.ndarray
    epsilon: float
    fitted_on: int


def fit(images: np.ndarray, epsilon: float) -> ZCA:
    """Return the ZCA of (n, height, width, channels) uint8 images.

    With X the scaled images less their mean per channel, one row each,

        X'X / n = U diag(s) U',    filters = U diag(1 / sqrt(s + epsilon)) U'.

    Sums, covariance and decomposition are in float64: the smallest eigenvalue of CIFAR-10,
    1.6e-6, is lost in a float32 covariance, and a float32 mean over 51 million pixels
    saturates. Memory in addition to the images: a few blocks and six d x d matrices of float64.
    """
    n, height, width, channels = images.shape
    dimensions = height * width * channels
    mean = np.zeros(channels)
    for start in range(0, n, BLOCK):
        mean += scale(images[start : start + BLOCK]).sum(axis=(0, 1, 2), dtype=np.float64)
    mean = (mean / (n * height * width)).astype(np.float32)

    covariance = np.zeros((dimensions, dimensions), order="F")
    for start in range(0, n, BLOCK):
        block = (scale(images[start : start + BLOCK]) - mean).reshape(-1, dimensions).astype(np.float64)
        # block.T is the Fortran-ordered view that BLAS takes without a copy.
        covariance = scipy.linalg.blas.dsyrk(1 / n, block.T, beta=1, c=covariance, lower=1, overwrite_c=1)

    eigenvalues, vectors = scipy.linalg.eigh(covariance, lower=True, overwrite_a=True, driver="evd")
    eigenvalues = np.maximum(eigenvalues, 0)  # rounding leaves -1e-16 for a constant pixel
    vectors *= (eigenvalues + epsilon) ** -0.25  # so that the filters are vectors @ vectors.T
    filters = scipy.linalg.blas.dsyrk(1, vectors, lower=1)
    filters += np.tril(filters, -1).T
    return ZCA(mean, filters.astype(np.float32), eigenvalues[::-1], epsilon, n)


def whiten(
    x_train: np.ndarray, x_test: np.ndarray, epsilon: float, holdout: float
) -> tuple[np.ndarray, np.ndarray, ZCA]:
    """Return training and test images whitened, as float32, and the ZCA that was fitted on the training images.

    x_train, x_test: (n, height, width, channels) uint8. holdout: the fraction of the training images, from the end,
    that the fit leaves out.
    """
    fitted = split_point(len(x_train), holdout) if holdout else len(x_train)
    zca = fit(x_train[:fitted], epsilon)
    return apply(zca, x_train), apply(zca, x_test), zca


def spread(images: np.ndarray) -> float:
    """Return the standard deviation of all values of (n, height, width, channels) float32 images."""
    total, squares = 0.0, 0.0
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].astype(np.float64)
        total += float(block.sum())
        squares += float(np.vdot(block, block))
    return float(np.sqrt(max(squares / images.size - (total / images.size) ** 2, 0)))


def check_spread(zca: ZCA, fitted: float, test: float) -> str | None:
    """Return a warning where whitened test images are spread wider than those of the fit; None where they aren't.

    fitted, test: their `spread`. A direction in which the images of the fit hardly vary is magnified by up to
    1 / sqrt(epsilon), and other images may vary in it; with fewer images than values there are always such directions.

    Raises InputError where that ruins the test images.
    """
    values = len(zca.eigenvalues)
    if test <= WORTH_A_WARNING * fitted:
        return None
    what = (
        f"whitening spreads test images {test / max(fitted, 1e-12):.3g} times as wide as those that it was fitted on"
        f" (standard deviation {test:.3g} against {fitted:.3g}; {zca.fitted_on:,} images of {values:,} values)"
    )
    if zca.fitted_on < values and test > RUINOUS * fitted:
        raise InputError(f"{what}; {WAYS_OUT}")
    return f"{what}, so accuracies on them may mean little; {WAYS_OUT}"


def check_memory(shape: tuple[int, ...], images: int) -> str:
    """Return a line on the memory that `whiten` takes beyond the images that it is given.

    shape: (height, width, channels) of an image; images: their number, test images included. Raises InputError where
    there is not that much.
    """
    values = int(np.prod(shape))
    needed = 8 * 6 * values**2 + 4 * images * values + 16 * min(BLOCK, images) * values
    size = " x ".join(map(str, shape))
    line = f"whitening {values:,} values per image ({size}) takes about {needed / 1e9:.1f} GB of memory"
    if needed > available_memory():
        raise InputError(
            f"{line}, and {available_memory() / 1e9:.1f} GB are available; set input: raw or, with a folder, a smaller"
            " dataset.size"
        )
    return line


def available_memory() -> int:
    """Return the bytes of memory that this process can have, by the system and by its control group."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, StopIteration):  # Linux
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits.append(1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")))
    with suppress(OSError, ValueError):  # no such group, or no limit
        group = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip()
        limits.append(int(Path(f"/sys/fs/cgroup{group}/memory.max").read_text()))
    return min(limits)


def apply(zca: ZCA, images: np.ndarray) -> np.ndarray:
    """Return (n, height, width, channels) uint8 images whitened, as float32 of the same shape."""
    whitened = np.empty(images.shape, dtype=np.float32)
    flat = whitened.reshape(len(images), -1)
    for start in range(0, len(images), BLOCK):
        block = (scale(images[start : start + BLOCK]) - zca.mean).reshape(-1, flat.shape[1])
        np.matmul(block, zca.filters, out=flat[start : start + BLOCK])
    return whitened


def center_pixel_filters(zca: ZCA, shape: tuple[int, ...]) -> np.ndarray:
    """Return what whitening makes of the middle pixel: a (channels, height, width, channels) float32 array.

    shape: (height, width, channels) of the images. Entry [k] is the row of the filters, as an image,
    whose product with an image is channel k of its whitened middle pixel.
    """
    height, width, channels = shape
    middle = (height // 2 * width + width // 2) * channels
    return zca.filters[middle : middle + channels].reshape(channels, *shape)
