"""Any optimizer of Keras, by its name and arguments."""

import keras
from keras.optimizers.schedules import LearningRateSchedule

from ablation.settings.specs import ModelSpec
from ablation.training.dispatch import keras_object


def build(spec: ModelSpec, schedule: LearningRateSchedule) -> keras.optimizers.Optimizer:
    """Return the optimizer that the mapping spec.optimizer describes: its `name`, and arguments of its class.

    Raises InputError for what Keras refuses.
    """
    return keras_object(keras.optimizers, "optimizer", spec.optimizer, learning_rate=schedule)
