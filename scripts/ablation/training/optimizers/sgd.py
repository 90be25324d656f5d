"""Stochastic gradient descent with Nesterov momentum through TensorFlow's fused kernel."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from ablation.settings.specs import ModelSpec


def build(spec: ModelSpec, schedule: LearningRateSchedule) -> keras.optimizers.Optimizer:
    """Return the optimizer of a spec."""
    return NesterovSGD(schedule, spec.momentum, l2_penalty=spec.weight_decay, bias_factor=spec.bias_factor)


@keras.saving.register_keras_serializable(package="ablation")
class NesterovSGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent with Nesterov momentum, each variable updated by one kernel.

    v = momentum v + g; variable -= learning_rate (g + momentum v), where g is the gradient plus l2_penalty times the
    variable. Keras's SGD has the learning rate inside of v, which is the same only while that does not change.

    bias_factor: what the gradients of BatchNorm offsets are multiplied by. These are the variables with the
    attribute `is_batch_norm_offset`, which FusedBatchNormalization sets, in a loaded model too.

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning",
    2013, in the form of tf.raw_ops.ResourceApplyMomentum.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        momentum: float,
        l2_penalty: float,
        bias_factor: float,
        name: str = "nesterov_sgd",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.momentum, self.l2_penalty, self.bias_factor = momentum, l2_penalty, bias_factor

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        offsets = [getattr(variable, "is_batch_norm_offset", False) for variable in variables]
        self._factors = [self.bias_factor if offset else 1.0 for offset in offsets]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.handle,
            accum=self._velocities[index].value.handle,
            lr=learning_rate,
            grad=self._factors[index] * gradient + self.l2_penalty * variable,
            momentum=self.momentum,
            use_nesterov=True,
        )

    def get_config(self) -> dict:
        own = {"momentum": self.momentum, "l2_penalty": self.l2_penalty, "bias_factor": self.bias_factor}
        return {**super().get_config(), **own}
