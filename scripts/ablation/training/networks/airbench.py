"""The network of K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024."""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ablation.training.layers import FastConv2D, FusedBatchNormalization

SAMPLE = 5000  # images that are enough to know the mean, the spread and the covariance of patches


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    images: np.ndarray,
    *,
    channels: tuple[int, int, int] = (64, 256, 256),
    first_layer: Literal["patch_whitening", "learned"] = "patch_whitening",
) -> keras.Model:
    """Return the model of the paper's section 3, not compiled.

    Channels scaled to mean 0 and variance 1; 2x2 convolutions of 24 filters (of gray images 8), which whiten patches
    and are not trained where first_layer is "patch_whitening", or are learned; three
    blocks of two 3x3 convolutions, the first pooled, each followed by BatchNorm (momentum 0.6, no scale) and
    GELU; a global max-pool, and a softmax of a ninth of the logits. Filters of a block start as the identity
    as far as there are input channels, all others uniform in +-1 / sqrt(fan-in). What differs from the paper: GELU in
    its sigmoid form, and BatchNorm's epsilon of 1e-5, the least that cuDNN takes.

    images: (n, height, width, channels) float32, of which the first SAMPLE decide the scale and the whitening.
    """
    inputs, uniform = keras.Input(input_shape), uniform_initializer()
    x = first_features(inputs, images, first_layer, uniform)
    for width in channels:
        for pool in (True, False):
            x = SigmoidGelu()(convolve_and_normalize(x, width, uniform, momentum=0.6, pool=pool))
    return keras.Model(inputs, class_probabilities(x, classes, uniform))


def uniform_initializer() -> keras.initializers.Initializer:
    """Return the initializer that draws from +-1 / sqrt(fan-in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def first_features(
    inputs: keras.KerasTensor, images: np.ndarray, first_layer: str, initializer: keras.initializers.Initializer
) -> keras.KerasTensor:
    """Return the features of 2x2 patches of scaled images. images, first_layer: as `build` takes them."""
    sample = images[:SAMPLE]
    scale = layers.Normalization(
        mean=sample.mean((0, 1, 2), dtype=np.float64), variance=sample.var((0, 1, 2), dtype=np.float64), dtype="float32"
    )
    x, filters = scale(inputs), 2 * 4 * inputs.shape[-1]  # a pair for every value of a patch
    if first_layer == "patch_whitening":
        whiten = PatchWhitening(filters, 2, dtype="float32")  # it magnifies what bfloat16 rounds
        x = whiten(x)
        whiten.kernel.assign(whitening_kernel(scale(sample).numpy()))
    else:
        x = FastConv2D(filters, 2, kernel_initializer=initializer)(x)
    return SigmoidGelu()(x)


def convolve_and_normalize(
    x: keras.KerasTensor, filters: int, initializer: keras.initializers.Initializer, *, momentum: float, pool: bool
) -> keras.KerasTensor:
    """Return features after a 3x3 convolution, a pool of 2x2 if `pool`, and BatchNorm of that momentum."""
    convolution = FastConv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=initializer)
    y = convolution(x)
    convolution.kernel.assign(dirac_init(convolution.kernel.numpy(), x.shape[-1]))
    if pool:
        y = layers.MaxPooling2D(2)(y)
    return FusedBatchNormalization(momentum=momentum, epsilon=1e-5, scale=False)(y)


def class_probabilities(
    x: keras.KerasTensor, classes: int, initializer: keras.initializers.Initializer
) -> keras.KerasTensor:
    """Return the softmax of a ninth of the logits of globally pooled features."""
    x = layers.GlobalMaxPooling2D()(x)
    x = layers.Dense(classes, use_bias=False, kernel_initializer=initializer)(x)
    return layers.Softmax(dtype="float32")(layers.Rescaling(1 / 9, dtype="float32")(x))


@keras.saving.register_keras_serializable(package="ablation")
class PatchWhitening(keras.layers.Conv2D):
    """A convolution whose kernel is never trained, and whose bias is frozen after some epochs.

    The bias has the attribute `last_epoch`, which the optimizer "muon" reads.

    Source: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, sections 3.1 and 3.2.
    """

    BIAS_EPOCHS = 3

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        self.kernel.trainable, self.bias.last_epoch = False, self.BIAS_EPOCHS

    def set_epoch(self, epoch: int) -> bool:
        """Let the bias be trained in this epoch, counted from 1, or not; return whether that changed."""
        before, self.bias.trainable = self.bias.trainable, epoch <= self.BIAS_EPOCHS
        return before != self.bias.trainable


@keras.saving.register_keras_serializable(package="ablation")
class SigmoidGelu(keras.layers.Layer):
    """GELU in its sigmoid form, x sigmoid(1.702 x), computed in float32 for every dtype of x.

    Each direction is a single loop over memory, compiled by XLA, on a CPU too, instead of a dozen.

    Source: D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def gelu(x):
            return _gelu(x), lambda upstream: _gelu_gradient(x, upstream)

        return gelu(inputs)


def _gate(x: tf.Tensor) -> tf.Tensor:
    return 0.5 + 0.5 * tf.tanh(0.851 * x)  # sigmoid(1.702 x)


@tf.function(jit_compile=True)
def _gelu(x):
    wide = tf.cast(x, tf.float32)
    return tf.cast(wide * _gate(wide), x.dtype)


@tf.function(jit_compile=True)
def _gelu_gradient(x, upstream):
    wide, gate = tf.cast(x, tf.float32), _gate(tf.cast(x, tf.float32))
    return tf.cast(tf.cast(upstream, tf.float32) * (gate + 1.702 * wide * gate * (1 - gate)), x.dtype)


def whitening_kernel(images: np.ndarray) -> np.ndarray:
    """Return the (2, 2, c, 8 c) float32 kernel whose outputs on 2x2 patches of the images are white, of both signs.

    images: (n, height, width, c) float32, centered. Eigenvectors of the patches' covariance over the roots of its
    eigenvalues plus 5e-4, the directions of most variance first, and their negatives.
    """
    channels = images.shape[-1]
    pixels = [images[:, y : y - 1 or None, x : x - 1 or None].reshape(-1, channels) for y in (0, 1) for x in (0, 1)]
    covariance = np.block([[row.T @ column for column in pixels] for row in pixels]) / len(pixels[0])
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    filters = (eigenvectors / np.sqrt(eigenvalues + 5e-4))[:, ::-1].reshape(
        2, 2, channels, 4 * channels
    )  # the largest first
    return np.concatenate([filters, -filters], axis=-1).astype(np.float32)


def dirac_init(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return a copy of a (height, width, channels, filters) kernel whose first filters pass on one channel each."""
    kernel = kernel.copy()
    filters = min(channels, kernel.shape[-1])
    kernel[..., :filters] = 0
    kernel[kernel.shape[0] // 2, kernel.shape[1] // 2, range(filters), range(filters)] = 1
    return kernel
