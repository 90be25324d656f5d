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
            scale=self.gamma.value,
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
    """Keras's Conv2D with stride 1, valid padding and a bias, whose gradient is a product.

    The bias's gradient is the sum of the output's gradient over images and places. As
    ones' G it is one pass of BLAS; left to itself, TensorFlow joins it to the kernel's gradient in
    a oneDNN operation that takes a third longer than the two apart (float32, on the CPU).
    """

    def call(self, inputs):
        @tf.custom_gradient
        def convolve(inputs, kernel, bias):
            outputs = tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, strides=1, padding="VALID"), bias)

            def gradients(upstream):
                common = {"out_backprop": upstream, "strides": [1, 1, 1, 1], "padding": "VALID"}
                flat = tf.reshape(upstream, [-1, self.filters])
                ones = tf.ones([1, tf.shape(flat)[0]], flat.dtype)
                return (
                    tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(inputs), filter=kernel, **common),
                    tf.raw_ops.Conv2DBackpropFilter(input=inputs, filter_sizes=tf.shape(kernel), **common),
                    tf.matmul(ones, flat)[0],
                )

            return outputs, gradients

        outputs = convolve(inputs, tf.convert_to_tensor(self.kernel.value), tf.convert_to_tensor(self.bias.value))
        return self.activation(outputs)


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
