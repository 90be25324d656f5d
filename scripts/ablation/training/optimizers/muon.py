"""Muon: kernels of convolutions take orthogonal steps, all else that of stochastic gradient descent."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from ablation.settings.specs import ModelSpec
from ablation.training.optimizers.sgd import NesterovSGD

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def build(spec: ModelSpec, schedule: LearningRateSchedule) -> keras.optimizers.Optimizer:
    """Return the optimizer of a spec, which orthogonalizes in the dtype that layers compute in."""
    return Muon(
        schedule,
        spec.momentum,
        l2_penalty=spec.weight_decay,
        bias_factor=spec.bias_factor,
        kernel_factor=spec.kernel_learning_rate / spec.learning_rate,
        kernel_momentum=spec.kernel_momentum,
        newton_schulz_steps=spec.newton_schulz_steps,
        compute_dtype=keras.config.dtype_policy().compute_dtype,
        epochs=spec.epochs,
    )


@keras.saving.register_keras_serializable(package="ablation")
class Muon(NesterovSGD):
    """Momentum that is orthogonalized, for kernels of convolutions; NesterovSGD for other variables.

    A kernel is a variable of four dimensions, read as a matrix with a column per filter:

        v = kernel_momentum v + g
        kernel = sqrt(filters) kernel / |kernel| - kernel_factor learning_rate O(g + kernel_momentum v),

    where O is `orthogonalize` and |.| Frobenius's norm, so that neither the length of a gradient nor that of a
    kernel matters. bias_factor is for every vector: biases, and BatchNorm's offsets and scales.

    compute_dtype: of O. epochs: of the training. A variable with the attribute `last_epoch` is frozen after that one;
    its learning rate goes through the whole schedule until then.

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; normalized kernels as in
    the record airbench94_muon of K. Jordan's cifar10-airbench, 2024.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        momentum: float,
        *,
        l2_penalty: float,
        bias_factor: float,
        kernel_factor: float,
        kernel_momentum: float,
        newton_schulz_steps: int,
        compute_dtype: str,
        epochs: int,
        name: str = "muon",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, momentum, l2_penalty, bias_factor, name=name, **options)
        self.kernel_factor, self.kernel_momentum = kernel_factor, kernel_momentum
        self.newton_schulz_steps, self.compute_dtype, self.epochs = newton_schulz_steps, compute_dtype, epochs

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._factors = [self.bias_factor if len(variable.shape) == 1 else 1.0 for variable in variables]
        self._paces = [self.epochs / getattr(variable, "last_epoch", self.epochs) for variable in variables]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        index = self._get_variable_index(variable)
        if len(variable.shape) != 4:
            if (pace := self._paces[index]) > 1:
                learning_rate = self._learning_rate(pace * tf.cast(self.iterations.value, tf.float32))
            super().update_step(gradient, variable, learning_rate)
            return
        filters, velocity = variable.shape[-1], self._velocities[index].value
        velocity.assign(self.kernel_momentum * velocity + gradient)
        direction = tf.reshape(gradient + self.kernel_momentum * velocity, [-1, filters])
        step = orthogonalize(direction, self.newton_schulz_steps, self.compute_dtype)
        normalized = filters**0.5 * tf.math.divide_no_nan(variable, tf.norm(variable))
        variable.assign(normalized - self.kernel_factor * learning_rate * tf.reshape(step, variable.shape))

    def get_config(self) -> dict:
        names = ("kernel_factor", "kernel_momentum", "newton_schulz_steps", "compute_dtype", "epochs")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def orthogonalize(matrix: tf.Tensor, steps: int, dtype: str) -> tf.Tensor:
    """Return a matrix near U V^T, where U S V^T is the singular value decomposition of `matrix`; of zeros, zeros.

    matrix: (rows, columns) float32; steps: of the Newton-Schulz iteration; dtype: that the iteration is computed in.

    Each step replaces the singular values s, at first those of the matrix of Frobenius's norm 1, by
    a s + b s^3 + c s^5. The coefficients make small ones grow fast rather than large ones converge: five steps
    take all from 0.005 to 1 to between 0.68 and 1.16, three those from 0.02 on to between 0.68 and 1.21.

    Returns (rows, columns) float32.
    """
    a, b, c = COEFFICIENTS
    rows, columns = matrix.shape
    is_tall = rows > columns  # then the smaller product is that of the columns
    x = tf.cast(tf.math.divide_no_nan(matrix, tf.norm(matrix)), dtype)
    for _ in range(steps):
        products = tf.matmul(x, x, transpose_a=is_tall, transpose_b=not is_tall)
        polynomial = b * products + c * tf.matmul(products, products)
        x = a * x + (tf.matmul(x, polynomial) if is_tall else tf.matmul(polynomial, x))
    return tf.cast(x, tf.float32)
