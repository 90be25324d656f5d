"""Adadelta through TensorFlow's fused kernel, with Keras 2's learning-rate decay."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ablation")
class FusedAdadelta(keras.optimizers.Adadelta):
    """Keras's Adadelta, each variable updated by one kernel instead of a dozen operations.

    Source: M. D. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, algorithm 1;
    tf.raw_ops.ResourceApplyAdadelta.
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdadelta(
            var=variable.handle,
            accum=self._accumulated_grads[index].value.handle,
            accum_update=self._accumulated_delta_vars[index].value.handle,
            lr=learning_rate,
            rho=self.rho,
            epsilon=self.epsilon,
            grad=gradient,
        )


def adadelta(learning_rate, decay):
    """Return Keras 2's `Adadelta(lr=learning_rate, decay=decay)`.

    After t batches the learning rate is learning_rate / (1 + decay * t). Keras 3 ignores
    `decay` with a warning; inverse-time decay in steps of one batch is its exact equivalent.
    """
    schedule = keras.optimizers.schedules.InverseTimeDecay(learning_rate, decay_steps=1, decay_rate=decay)
    return FusedAdadelta(schedule, rho=0.95, epsilon=1e-7)
