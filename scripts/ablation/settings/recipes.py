"""Keras's own optimizers and learning-rate schedules as settings: names and arguments, known without Keras."""

from functools import cache
from pathlib import Path
from typing import Any

from ablation.files import read_json

TABLE = Path(__file__).with_name("keras.json")  # written by docs/keras_table.py
FROM_TRAINING = {"decay_steps", "first_decay_steps"}  # by default the steps of the whole training


@cache
def keras_recipes() -> dict[str, dict]:
    """Return Keras's optimizers and schedules, below "optimizer" and "schedule", by name.

    Each has, by name, the rules of its "arguments" as a JSON schema has them; an optimizer also its "learning_rate".
    """
    return read_json(TABLE, "restore it, as with git checkout", optimizer=dict, schedule=dict)


def recipe_rule(setting: str, value: Any, ours: dict) -> dict:
    """Return the rule of an optimizer or a schedule.

    setting: "optimizer" or "schedule"; value: as the config has it, whose name decides which arguments there are;
    ours: the schema's rule. A mapping is always Keras's; a text is Keras's where `ours` has no such name. Of a mapping
    whose name only `ours` has, "x-instead" of that name's rule says how it is written, for a message.
    """
    known, described = keras_recipes()[setting], {key: ours[key] for key in ("description", "default")}
    if not isinstance(value, dict):
        return described | {"enum": [*ours["enum"], *(name for name in known if name not in ours["enum"])]}
    names: dict[str, Any] = {"enum": list(known)}
    rule = described | {"type": "object", "required": ["name"], "properties": {"name": names}}
    if not isinstance(value.get("name"), str) or value["name"] not in known:
        if value.get("name") in ours["enum"]:
            names["x-instead"] = f"is of this workflow; write {setting}: {value['name']}, and its arguments beside it"
        return rule
    rules = known[value["name"]]["arguments"]
    for name, argument in rules.items():
        optional = {"type": [argument["type"], "null"]} if argument.get("default", ...) is None else {}
        rule["properties"][name] = {key: entry for key, entry in argument.items() if key != "default"} | optional
    return rule | {"required": ["name", *required_arguments(setting, value["name"])], "additionalProperties": False}


def required_arguments(setting: str, name: str) -> list[str]:
    """Return the arguments that one of Keras's optimizers or schedules needs; none of one that is ours."""
    rules = keras_recipes()[setting].get(name, {"arguments": {}})["arguments"]
    return [key for key, rule in rules.items() if "default" not in rule and key not in FROM_TRAINING]


def name_of(choice: Any) -> Any:
    """Return the name of an optimizer or a schedule that may be a mapping, and of what is chosen by name."""
    return choice["name"] if isinstance(choice, dict) else choice


def why_own_rate(optimizer: Any, ours: dict) -> str:
    """Return why a checked optimizer can't have the default learning rate, which is for adadelta; "" where it can.

    ours: the schema's rule of optimizers.
    """
    if optimizer == "muon":
        return "muon needs one for all but the kernels of convolutions, as 0.01"
    if optimizer in ours["enum"]:
        return ""
    name = name_of(optimizer)
    return f"that of Keras's {name} is {keras_recipes()['optimizer'][name]['learning_rate']}"


def settled(setting: str, value: Any, ours: dict) -> Any:
    """Return a checked optimizer or schedule in the one form that it has: ours by name, Keras's as a mapping.

    Arguments with Keras's default are left out, so that naming them changes nothing.
    """
    if isinstance(value, str):
        return value if value in ours["enum"] else {"name": value}
    rules = keras_recipes()[setting][value["name"]]["arguments"]
    return {key: entry for key, entry in value.items() if key == "name" or entry != rules[key].get("default", ...)}
