"""Images flipped and moved, in training and in testing, by what was drawn beforehand."""

import numpy as np
import tensorflow as tf

# The moves of each view that test_time_augmentation averages over, and its weight.
AS_IT_IS, MIRRORED = (0, 0, 0), (1, 0, 0)
VIEWS = {
    "none": {AS_IT_IS: 1},
    "flip": {AS_IT_IS: 1 / 2, MIRRORED: 1 / 2},
    "flip_and_translate": {
        **{AS_IT_IS: 1 / 4, MIRRORED: 1 / 4},
        **{(flip, by, by): 1 / 8 for flip in (0, 1) for by in (-1, 1)},
    },
}


def draw(spec, seed, epoch, n):
    """Return the moves of n images in an epoch, (n, 3) int32: flip (0 or 1), and pixels by rows and by columns.

    They follow from (seed, epoch) alone. A random flip is drawn anew in every epoch; an alternating
    one in the first only, and every epoch then shows an image the other way round than the one before.

    Source of the alternating flip: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.6.
    """
    drawn_in = 1 if spec.flip == "alternating" else epoch
    flips = np.random.default_rng([seed, drawn_in, 1]).integers(2, size=n)
    if spec.flip == "alternating":
        flips = (flips + epoch) % 2
    elif spec.flip == "none":
        flips[:] = 0
    shifts = np.random.default_rng([seed, epoch, 2]).integers(-spec.translation, spec.translation + 1, size=(n, 2))
    return np.column_stack([flips, shifts]).astype(np.int32)


def moved(images, moves):
    """Return images translated, then flipped from left to right; what comes in at a border is the image, reflected.

    images: (n, height, width, channels); moves: (n, 3) int32, as `draw` returns them.
    """
    n, height, width, channels = tf.unstack(tf.shape(images))
    flip, down, right = moves[:, 0:1], moves[:, 1:2], moves[:, 2:3]
    x = tf.range(width)[None]
    rows = _reflected(tf.range(height)[None] - down, height)
    columns = _reflected(tf.where(flip == 1, width - 1 - x, x) - right, width)
    of_image = tf.range(n)[:, None, None] * height
    return tf.gather(tf.reshape(images, [-1, channels]), (of_image + rows[:, :, None]) * width + columns[:, None])


def _reflected(index, size):
    """Return indices from 1 - size to 2 size - 2 as those of 0 to size - 1, mirrored at the outer elements."""
    return size - 1 - tf.abs(size - 1 - tf.abs(index))
