"""Keras's layers, computed by the operations that are fastest for them in TensorFlow.

They take Keras's arguments, and raise InputError for those that would change what they compute and that they lack.
"""

from typing import Any

import keras
import tensorflow as tf

from ablation.errors import InputError

WIDE = 128 * 128  # input channels times filters from which on `kernel_gradient` pays
IMAGES_AT_ONCE = 64  # of kernel_gradient: few enough for the CPU's caches
DROPOUT_STEPS = 2**16  # a dropout rate is a multiple of 1 / 65,536


def _refuse(layer: keras.Layer, **supported: tuple) -> None:
    """Raise InputError where an attribute of a layer, by name, has none of the values that are supported."""
    for name, values in supported.items():
        if getattr(layer, name) not in values:
            raise InputError(
                f"{type(layer).__name__}: {name}={getattr(layer, name)!r} is not supported; use Keras's own layer"
            )


@keras.saving.register_keras_serializable(package="ablation")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization of (n, height, width, channels), computed by one fused kernel.

    It normalizes as its parent does. The moving variance differs in one thing: the fused
    operation averages the unbiased variance, N / (N - 1) times the parent's, N = n * height *
    width; Keras 2.1 on TensorFlow used that operation. Statistics are float32 for every input dtype.

    Its variable `beta` has the attribute `is_batch_norm_offset`, which the optimizer "sgd" reads.

    Source: S. Ioffe, C. Szegedy, "Batch Normalization", 2015, algorithm 1 and its unbiased
    estimate for inference; tf.raw_ops.FusedBatchNormV3.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _refuse(self, axis=(-1, 3), center=(True,), synchronized=(False,))

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        self.beta.is_batch_norm_offset = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        training = bool(training and self.trainable)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value if self.scale else tf.ones(inputs.shape[-1]),
            offset=self.beta.value,
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            exponential_avg_factor=1 - self.momentum,
            is_training=training,
        )
        if training:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return outputs


@keras.saving.register_keras_serializable(package="ablation")
class FastConv2D(keras.layers.Conv2D):
    """Keras's Conv2D with stride 1, whose gradients are computed the way that is fastest on a CPU.

    The bias's gradient is the output's gradient G, summed over images and positions. It is computed as
    ones^T G, a single BLAS call; TensorFlow would otherwise fuse it with the kernel gradient into a oneDNN
    operation that takes a third longer than the two apart (float32, on the CPU). The kernel's
    gradient in bfloat16 is `kernel_gradient`'s where there are enough channels.
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **options: Any) -> None:
        super().__init__(filters, kernel_size, **options)
        _refuse(self, strides=((1, 1),), dilation_rate=((1, 1),), groups=(1,), data_format=("channels_last",))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        padding = self.padding.upper()
        wide = inputs.shape[-1] * self.filters >= WIDE

        @tf.custom_gradient
        def convolve(inputs, kernel):
            def gradients(upstream):
                common = {"out_backprop": upstream, "strides": [1, 1, 1, 1], "padding": padding}
                of_inputs = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(inputs), filter=kernel, **common)
                if inputs.dtype == tf.bfloat16 and wide and not tf.config.list_logical_devices("GPU"):
                    return of_inputs, kernel_gradient(inputs, upstream, kernel.shape, padding)
                sizes = tf.shape(kernel)
                return of_inputs, tf.raw_ops.Conv2DBackpropFilter(input=inputs, filter_sizes=sizes, **common)

            return tf.nn.conv2d(inputs, kernel, strides=1, padding=padding), gradients

        @tf.custom_gradient
        def add(outputs, bias):
            def gradients(upstream):
                flat = tf.reshape(upstream, [-1, self.filters])
                ones = tf.ones([1, tf.shape(flat)[0]], flat.dtype)
                return upstream, tf.matmul(ones, flat)[0]

            return tf.nn.bias_add(outputs, bias), gradients

        outputs = convolve(inputs, tf.convert_to_tensor(self.kernel.value))
        if self.use_bias:
            outputs = add(outputs, tf.convert_to_tensor(self.bias.value))
        return self.activation(outputs)


def kernel_gradient(inputs: tf.Tensor, upstream: tf.Tensor, shape: tuple[int, ...], padding: str) -> tf.Tensor:
    """Return the gradient of a stride-1 convolution's kernel as a sum of three-dimensional convolutions.

    inputs: (n, height, width, channels); upstream: the gradient of the outputs, (n, height', width', filters), of the
    same dtype; shape: the kernel's, (rows, columns, channels, filters); padding: "SAME" or "VALID".

    The gradient is the product of every shifted input with the output's gradient, summed over positions and
    images. That is a convolution over height and width whose channels are the images, with the input's channels as a
    third dimension along which nothing shifts; oneDNN's forward convolutions in bfloat16 run at twice the speed of its
    kernel gradients. IMAGES_AT_ONCE images per convolution; summed in float32.

    Returns `shape`, of the inputs' dtype.
    """
    (_, height, width, channels), (_, out_height, out_width, filters) = inputs.shape, upstream.shape
    sides = [[(size - 1) // 2, size // 2] if padding == "SAME" else [0, 0] for size in shape[:2]]

    def add(start, total):
        images, gradients = inputs[start : start + IMAGES_AT_ONCE], upstream[start : start + IMAGES_AT_ONCE]
        n = tf.shape(images)[0]
        pixels = tf.reshape(tf.transpose(tf.reshape(images, [n, -1])), [1, height, width, channels, n])
        filter_gradients = tf.transpose(tf.reshape(gradients, [n, -1, filters]), [1, 0, 2])
        filter_gradients = tf.reshape(filter_gradients, [out_height, out_width, 1, n, filters])
        padded = tf.pad(pixels, [[0, 0], *sides, [0, 0], [0, 0]])
        products = tf.nn.conv3d(padded, filter_gradients, [1, 1, 1, 1, 1], "VALID")
        return start + IMAGES_AT_ONCE, total + tf.cast(products[0], tf.float32)

    _, total = tf.while_loop(lambda start, _: start < tf.shape(inputs)[0], add, (0, tf.zeros(shape)))
    return tf.cast(total, inputs.dtype)


@keras.saving.register_keras_serializable(package="ablation")
class FastDropout(keras.layers.Dropout):
    """Keras's Dropout with 16 random bits per value instead of 32, from the same generator.

    The rate is rounded to a multiple of 1 / 65,536, at most 65,535 / 65,536, and what is kept is scaled by its exact
    inverse.

    Source: N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", 2014, in its inverted form.
    """

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(rate, **options)
        _refuse(self, noise_shape=(None,))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        threshold = min(round(self.rate * DROPOUT_STEPS), DROPOUT_STEPS - 1)
        if not training or threshold == 0:
            return inputs
        shape = tf.shape(inputs)
        pairs = tf.random.stateless_uniform(
            [(tf.size(inputs) + 1) // 2], self.seed_generator.next(), minval=None, maxval=None, dtype=tf.int32
        )
        bits = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[: tf.size(inputs)]
        kept = tf.reshape(bits >= tf.constant(threshold, tf.uint16), shape)
        return inputs * (tf.cast(kept, inputs.dtype) * tf.constant(1 / (1 - threshold / DROPOUT_STEPS), inputs.dtype))
