"""Keras's layers, computed by the operations that are fastest for them in TensorFlow."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ablation")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization of (n, height, width, channels), computed by one fused kernel.

    It normalises as its parent does. The moving variance differs in one thing: the fused
    operation averages the unbiased variance, N / (N - 1) times the parent's, N = n * height *
    width; Keras 2.1 on TensorFlow used that operation. Statistics are float32 whatever the input is.

    Source: S. Ioffe, C. Szegedy, "Batch Normalization", 2015, algorithm 1 and its unbiased
    estimate for inference; tf.raw_ops.FusedBatchNormV3.
    """

    def call(self, inputs, training=False):
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
class Conv2D(keras.layers.Conv2D):
    """Keras's Conv2D with stride 1, whose gradients are computed the way that is fastest on a CPU.

    The bias's gradient is the sum of the output's gradient over images and places. As
    ones' G it is one pass of BLAS; left to itself, TensorFlow joins it to the kernel's gradient in
    a oneDNN operation that takes a third longer than the two apart (float32, on the CPU). The kernel's
    gradient in bfloat16 is `kernel_gradient`'s where there are enough channels.
    """

    def call(self, inputs):
        padding = self.padding.upper()

        @tf.custom_gradient
        def convolve(inputs, kernel):
            def gradients(upstream):
                common = {"out_backprop": upstream, "strides": [1, 1, 1, 1], "padding": padding}
                of_inputs = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(inputs), filter=kernel, **common)
                if inputs.dtype == tf.bfloat16 and _is_wide(kernel) and not tf.config.list_logical_devices("GPU"):
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


IMAGES_AT_ONCE = 64


def _is_wide(kernel):
    """Return whether a (height, width, channels, filters) kernel is large enough for `kernel_gradient` to pay."""
    return kernel.shape[2] * kernel.shape[3] >= 128 * 128


def kernel_gradient(inputs, upstream, shape, padding):
    """Return the gradient of a stride-1 convolution's kernel, of `shape`, as a sum of three-dimensional convolutions.

    inputs: (n, height, width, channels); upstream: the gradient of the outputs, (n, height', width', filters);
    padding: "SAME" or "VALID". The gradient is the product of every shifted input with the output's
    gradient, summed over places and images. That is a convolution over height and width whose
    channels are the images, with the input's channels as a third dimension along which nothing moves; oneDNN's
    forward convolutions in bfloat16 run at twice the speed of its kernel gradients. 64 images at a time, for
    the caches; summed in float32.
    """
    (_, height, width, channels), (_, out_height, out_width, filters) = inputs.shape, upstream.shape
    sides = [[(size - 1) // 2, size // 2] if padding == "SAME" else [0, 0] for size in shape[:2]]

    def add(at, total):
        images, gradients = inputs[at : at + IMAGES_AT_ONCE], upstream[at : at + IMAGES_AT_ONCE]
        n = tf.shape(images)[0]
        by_place = tf.reshape(tf.transpose(tf.reshape(images, [n, -1])), [1, height, width, channels, n])
        of_place = tf.transpose(tf.reshape(gradients, [n, -1, filters]), [1, 0, 2])
        of_place = tf.reshape(of_place, [out_height, out_width, 1, n, filters])
        products = tf.nn.conv3d(tf.pad(by_place, [[0, 0], *sides, [0, 0], [0, 0]]), of_place, [1, 1, 1, 1, 1], "VALID")
        return at + IMAGES_AT_ONCE, total + tf.cast(products[0], tf.float32)

    _, total = tf.while_loop(lambda at, _: at < tf.shape(inputs)[0], add, (0, tf.zeros(shape)))
    return tf.cast(total, inputs.dtype)


@keras.saving.register_keras_serializable(package="ablation")
class Dropout(keras.layers.Dropout):
    """Keras's Dropout with 16 random bits for a value instead of 32, drawn from the same generator.

    The rate is rounded to a multiple of 1 / 65,536, and what is kept is scaled by its exact inverse.

    Source: N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", 2014, in its inverted form.
    """

    def call(self, inputs, training=False):
        threshold = round(self.rate * 2**16)
        if not training or threshold == 0:
            return inputs
        shape = tf.shape(inputs)
        pairs = tf.random.stateless_uniform(
            [(tf.size(inputs) + 1) // 2], self.seed_generator.next(), minval=None, maxval=None, dtype=tf.int32
        )
        bits = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[: tf.size(inputs)]
        kept = tf.reshape(bits >= tf.constant(threshold, tf.uint16), shape)
        return inputs * (tf.cast(kept, inputs.dtype) * tf.constant(1 / (1 - threshold / 2**16), inputs.dtype))


@keras.saving.register_keras_serializable(package="ablation")
class PatchWhitening(keras.layers.Conv2D):
    """A convolution whose kernel is never trained, and whose bias is frozen after some epochs.

    Source: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, sections 3.1 and 3.2.
    """

    EPOCHS_OF_BIAS = 3

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel.trainable = False

    def set_epoch(self, epoch):
        """Let the bias be trained in this epoch, counted from 1, or not; return whether that is a change."""
        was, self.bias.trainable = self.bias.trainable, epoch <= self.EPOCHS_OF_BIAS
        return was != self.bias.trainable


@keras.saving.register_keras_serializable(package="ablation")
class SigmoidGelu(keras.layers.Layer):
    """GELU in its sigmoid form, x sigmoid(1.702 x), computed in float32 whatever x is.

    Each direction is one loop over memory that XLA makes, on a CPU too, and not a dozen.

    Source: D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2.
    """

    def call(self, inputs):
        @tf.custom_gradient
        def gelu(x):
            return _gelu(x), lambda upstream: _gelu_gradient(x, upstream)

        return gelu(inputs)


def _gate(x):
    return 0.5 + 0.5 * tf.tanh(0.851 * x)  # sigmoid(1.702 x)


@tf.function(jit_compile=True)
def _gelu(x):
    wide = tf.cast(x, tf.float32)
    return tf.cast(wide * _gate(wide), x.dtype)


@tf.function(jit_compile=True)
def _gelu_gradient(x, upstream):
    wide, gate = tf.cast(x, tf.float32), _gate(tf.cast(x, tf.float32))
    return tf.cast(tf.cast(upstream, tf.float32) * (gate + 1.702 * wide * gate * (1 - gate)), x.dtype)
