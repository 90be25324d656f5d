"""Flips, translations and cutout, applied from offsets sampled in advance."""

import numpy as np
import tensorflow as tf

from ablation.settings.specs import ModelSpec

View = tuple[int, int, int]  # flip (0 or 1), and pixels down and to the right

GRID = 2**16  # a center is sampled before the size of the images is known
IDENTITY: View = (0, 0, 0)
HFLIP: View = (1, 0, 0)
# The views that each test_time_augmentation averages over, and their weights.
VIEWS: dict[str, dict[View, float]] = {
    "none": {IDENTITY: 1},
    "flip": {IDENTITY: 1 / 2, HFLIP: 1 / 2},
    "flip_and_translate": {
        **{IDENTITY: 1 / 4, HFLIP: 1 / 4},
        **{(flip, pixels, pixels): 1 / 8 for flip in (0, 1) for pixels in (-1, 1)},
    },
}


def sample_augmentation(spec: ModelSpec, seed: int, epoch: int, n: int) -> np.ndarray:
    """Sample the offsets of n images in an epoch, which counts from 1.

    They follow from (seed, epoch) alone. A random flip is sampled again in every epoch; an alternating
    one in the first only, and every later epoch shows an image the other way round than the one before.

    Returns (n, 5) int32: flip (0 or 1); pixels down and to the right, each within spec.translation; and the center of
    the square that is cut out, from the top and from the left, in units of 1 / GRID of the image's sides.

    Sources: of the alternating flip K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.6; of
    cutout T. DeVries, G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    """
    flip_epoch = 1 if spec.flip == "alternating" else epoch
    flips = np.random.default_rng([seed, flip_epoch, 1]).integers(2, size=n)
    if spec.flip == "alternating":
        flips = (flips + epoch) % 2
    elif spec.flip == "none":
        flips[:] = 0
    shifts = np.random.default_rng([seed, epoch, 2]).integers(-spec.translation, spec.translation + 1, size=(n, 2))
    centers = np.zeros((n, 2), int)
    if spec.cutout:
        centers = np.random.default_rng([seed, epoch, 3]).integers(GRID, size=(n, 2))
    return np.column_stack([flips, shifts, centers]).astype(np.int32)


def translate_and_flip(images: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Translate images, then flip them from left to right; borders are filled by reflection.

    images: (n, height, width, channels); offsets: (n, 3 or more) int32, as `sample_augmentation` returns them.

    Returns images of the same shape and dtype.
    """
    n, height, width, channels = tf.unstack(tf.shape(images))
    flip, down, right = offsets[:, 0:1], offsets[:, 1:2], offsets[:, 2:3]
    x = tf.range(width)[None]
    rows = _reflect(tf.range(height)[None] - down, height)
    columns = _reflect(tf.where(flip == 1, width - 1 - x, x) - right, width)
    first_rows = tf.range(n)[:, None, None] * height
    return tf.gather(tf.reshape(images, [-1, channels]), (first_rows + rows[:, :, None]) * width + columns[:, None])


def cut_out(images: tf.Tensor, centers: tf.Tensor, side: int, color: tf.Tensor) -> tf.Tensor:
    """Give a color to a square of each image, as far as it is inside of the image.

    images: (n, height, width, channels); centers: (n, 2) int32, as `sample_augmentation` returns them last; side: of
    the square, in pixels; color: (channels,).

    Returns images of the same shape and dtype.
    """

    def inside(center, size):  # (n, size)
        first = center[:, None] * size // GRID - side // 2
        return (tf.range(size)[None] >= first) & (tf.range(size)[None] < first + side)

    height, width = tf.shape(images)[1], tf.shape(images)[2]
    square = inside(centers[:, 0], height)[:, :, None] & inside(centers[:, 1], width)[:, None]
    return tf.where(square[..., None], color, images)


def _reflect(index: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Map indices from 1 - size to 2 size - 2 to 0 to size - 1, mirrored at the outer elements."""
    return size - 1 - tf.abs(size - 1 - tf.abs(index))
