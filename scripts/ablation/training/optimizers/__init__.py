"""From a spec to its optimizer and learning rate. A file of this folder with a function `build` is an optimizer."""

import keras

from ablation.settings import specs
from ablation.settings.specs import ModelSpec
from ablation.training.dispatch import import_choice


def build_optimizer(spec: ModelSpec, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a spec, with its schedule, for a training of `steps` steps.

    Raises InputError for an optimizer or a schedule that there is not.
    """
    schedule_module, optimizer_module = specs.recipe_modules(spec.settings)
    schedule = import_choice("ablation.training.schedules", "schedule", schedule_module).build(spec, steps)
    return import_choice(__name__, "optimizer", optimizer_module).build(spec, schedule)
