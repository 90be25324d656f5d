"""A learning rate that rises in a line to an early peak and falls in a line to zero."""

import keras
import tensorflow as tf

from ablation.settings.specs import ModelSpec
from ablation.training.schedules.triangular import TriangularSchedule


def build(spec: ModelSpec, steps: int) -> TriangularSchedule:
    """Return the schedule of a training of `steps` steps, whose peak is spec.learning_rate."""
    return TriangularToZero(spec.learning_rate, steps)


@keras.saving.register_keras_serializable(package="ablation")
class TriangularToZero(TriangularSchedule):
    """A learning rate that rises from 0.2 of its peak, reached after 10% of the steps, and falls to zero.

    peak: the highest learning rate; steps: of the whole training.

    Source: K. Jordan, https://github.com/KellerJordan/cifar10-airbench, airbench96, 2024.
    """

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        summit = max(int(0.1 * self.steps), 1)
        step = tf.cast(step, tf.float32)
        rising = 0.2 + 0.8 * step / summit
        falling = (self.steps - step) / max(self.steps - summit, 1)
        return self.peak * tf.where(step < summit, rising, tf.maximum(falling, 0.0))
