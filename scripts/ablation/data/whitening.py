"""ZCA whitening, as Keras 2.1's ImageDataGenerator(zca_whitening=True) computed it.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
appendix A; with Keras 2.1.4's mean per channel and its epsilon inside the root.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ablation.data.images import scale, split_point

BLOCK = 4096  # images in float64 at a time: 100 MB of 32 x 32 x 3


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
