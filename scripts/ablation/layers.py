"""Batch normalization through TensorFlow's fused operation."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ablation")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization of (n, height, width, channels), computed by one fused kernel.

    It normalises as its parent does. The moving variance differs in one thing: the fused
    operation averages the unbiased variance, N / (N - 1) times the parent's, N = n * height *
    width; Keras 2.1 on TensorFlow used that operation.

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
