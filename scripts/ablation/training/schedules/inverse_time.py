"""The learning rate of Keras 2's `decay`: learning_rate / (1 + decay t) after t steps."""

import keras
from keras.optimizers.schedules import LearningRateSchedule

from ablation.settings.specs import ModelSpec


def build(spec: ModelSpec, steps: int) -> LearningRateSchedule:
    """Return the schedule, for which the number of steps does not matter.

    Keras 3 ignores `decay` with a warning; inverse-time decay in steps of one batch is its exact equivalent.
    """
    return keras.optimizers.schedules.InverseTimeDecay(spec.learning_rate, decay_steps=1, decay_rate=spec.decay)
