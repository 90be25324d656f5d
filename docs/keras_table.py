"""Write the table of Keras's optimizers and learning-rate schedules, by which the config is checked without Keras.

Each has, by name, the rule and the default of its arguments. Apart from these stands the learning rate, which is a
setting of the model. Left out are names, and optimizers that take others.
"""

import inspect
import json
import re

import keras

from ablation.settings.recipes import TABLE

LEFT_OUT = {"self", "kwargs", "name", "learning_rate", "initial_learning_rate"}
NOT_ALONE = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap", "LearningRateSchedule"}
INTEGERS = {"ema_overwrite_frequency", "gradient_accumulation_steps", "ns_steps"}
INTEGERS |= {"decay_steps", "first_decay_steps", "warmup_steps"}
# Of which none, or a negative one, is silently no such thing.
BOUNDS = {name: {"exclusiveMinimum": 0} for name in ("clipnorm", "clipvalue", "global_clipnorm", "t_mul", "m_mul")}
BOUNDS |= {"gradient_accumulation_steps": {"minimum": 2}}
LISTS = {"boundaries": "integer", "values": "number", "exclude_layers": "string"}


def snake_case(name):
    """Return the name of a class as that of a setting's value: AdamW is adamw, CosineDecay cosine_decay."""
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name).lower()


def rule_of(parameter):
    """Return the rule of an argument; where its default is null, it is a number unless its name says otherwise."""
    if parameter.name in LISTS:
        rule = {"type": "array", "items": {"type": LISTS[parameter.name]}}
    elif isinstance(parameter.default, bool):
        rule = {"type": "boolean"}
    else:
        rule = {"type": "integer" if parameter.name in INTEGERS else "number"}
    rule |= BOUNDS.get(parameter.name, {})
    return rule if parameter.default is inspect.Parameter.empty else rule | {"default": parameter.default}


def _learning_rate(cls):
    """Return the learning rate that an optimizer has by default; a schedule has none."""
    rate = inspect.signature(cls).parameters.get("learning_rate")
    return {"learning_rate": rate.default} if rate else {}


def table():
    """Return the table of the Keras that is installed."""
    sections = {}
    for section, module in (("optimizer", keras.optimizers), ("schedule", keras.optimizers.schedules)):
        classes = {snake_case(name): cls for name, cls in vars(module).items() if inspect.isclass(cls)}
        sections[section] = {
            name: {
                **_learning_rate(cls),
                "arguments": {
                    argument: rule_of(parameter)
                    for argument, parameter in inspect.signature(cls).parameters.items()
                    if argument not in LEFT_OUT
                },
            }
            for name, cls in sorted(classes.items())
            if cls.__name__ not in NOT_ALONE
        }
    return sections


if __name__ == "__main__":
    sections = [
        f'"{section}": {{\n' + ",\n".join(f'"{name}": {json.dumps(entry)}' for name, entry in entries.items()) + "\n}"
        for section, entries in table().items()
    ]
    TABLE.write_text("{" + ",\n".join(sections) + "}\n", encoding="utf-8")
