"""Any learning-rate schedule of Keras, by its name and arguments."""

import keras
from keras.optimizers.schedules import LearningRateSchedule

from ablation.errors import InputError
from ablation.settings.specs import ModelSpec
from ablation.training.dispatch import keras_object


def build(spec: ModelSpec, steps: int) -> LearningRateSchedule:
    """Return the schedule that the mapping spec.schedule describes: its `name`, and arguments of its class.

    It starts at spec.learning_rate. Where the number of steps that it lasts is not given, it is that of the training,
    `steps`, less those of a warm-up.

    Raises InputError for a warm-up as long as the training, and for what Keras refuses.
    """
    name, warmup = spec.schedule["name"], spec.schedule.get("warmup_steps", 0)
    if name == "piecewise_constant_decay":
        return keras_object(keras.optimizers.schedules, "schedule", spec.schedule)  # its values are the learning rates
    if warmup >= steps:
        raise InputError(f"schedule: {name}: warmup_steps {warmup} are not less than the {steps} steps of the training")
    lasting = {"first_decay_steps": steps} if name == "cosine_decay_restarts" else {"decay_steps": steps - warmup}
    described = lasting | {"initial_learning_rate": spec.learning_rate} | spec.schedule
    return keras_object(keras.optimizers.schedules, "schedule", described)
