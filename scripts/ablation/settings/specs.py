"""What decides a training: the settings of one model. A variant is data, not code."""

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ablation.errors import InputError
from ablation.own_files import is_own

SCHEMA = Path(__file__).parents[3] / "rules/schemas/config.schema.yaml"


@cache
def load_schema() -> dict:
    """Return the schema of the config, in which every setting has its one entry."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
    return yaml.load(SCHEMA.read_text(encoding="utf-8"), loader)


class ModelSpec(SimpleNamespace):
    """The settings that decide a training, an attribute each; lists are tuples. It cannot be changed.

    The schema has their meanings and defaults. A setting that does not apply is None, as momentum with the optimizer
    adadelta.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name}: a ModelSpec cannot be changed; use replace()")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name."""
        return dict(vars(self))

    def replace(self, **changes: Any) -> "ModelSpec":
        """Return a spec with other values of some settings."""
        return ModelSpec({**self.settings, **changes})

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Return the spec that `to_json` wrote."""
        return cls(json.loads(text))

    def to_json(self) -> str:
        """Return the settings as JSON with sorted keys: equal specs give equal text."""
        return json.dumps(self.settings, sort_keys=True)


def model_spec(config: dict, name: str) -> ModelSpec:
    """Return the spec of model `name` of a completed config."""
    rules, model = _training_settings(load_schema()), config["models"][name]
    return ModelSpec({key: model[key] for key in rules} | _own_settings(config, name))


def key_settings(config: dict, name: str, schema: dict) -> dict[str, Any]:
    """Return, as JSON has them, the settings of model `name` of a completed config that enter the key of its training.

    Left out is what changes nothing: settings that do not apply or have the value that turns them off. So a new
    setting that is off leaves every key as it was. And the path of a network of one's own, whose code is another part
    of the key.
    """
    rules, model = _training_settings(schema), config["models"][name]
    kept = {key: model[key] for key, rule in rules.items() if model[key] not in (None, rule.get("x-off"))}
    if is_own(model["architecture"]):
        del kept["architecture"]
    return kept | _own_settings(config, name)


def _own_settings(config: dict, name: str) -> dict[str, Any]:
    """Return the settings of the network of model `name` that are not in the schema."""
    known, model = load_schema()["$defs"]["settings"]["properties"], config["models"][name]
    return {key: model[key] for key in config["defaults"] if key not in known and model[key] is not None}


def _training_settings(schema: dict) -> dict[str, dict]:
    """Return the schema's rules of the settings that decide a training, by name."""
    rules = schema["$defs"]["settings"]["properties"]
    return {key: rule for key, rule in rules.items() if rule.get("x-decides") != "evaluation"}


def recipe_modules(settings: dict[str, Any]) -> tuple[str, str]:
    """Return the names of the modules that build a model's schedule and its optimizer.

    settings: completed ones, in which a mapping is a schedule or an optimizer of Keras's.
    """
    schedule, optimizer = settings["schedule"], settings["optimizer"]
    return (
        "keras_schedule" if isinstance(schedule, dict) else schedule,
        "keras_optimizer" if isinstance(optimizer, dict) else optimizer,
    )


def whitening_holdout(config: dict) -> float:
    """Return the fraction of the training images, from the end, that the whitening is not fitted on.

    Raises InputError if whitening.fit_on is "train" and the models don't agree on what that is.
    """
    if config["whitening"]["fit_on"] == "train_and_validation":
        return 0.0
    whitened = {name: model for name, model in config["models"].items() if model["input"] == "zca"}
    check_same_validation_images(whitened, "whitening.fit_on", "train")
    return next(iter(whitened.values()))["validation_split"] if whitened else 0.0


def check_same_validation_images(models: dict[str, dict], setting: str, value: str) -> None:
    """Raise InputError unless all runs of completed models have the same validation images, as a setting needs it."""
    for name, model in models.items():
        first = next(iter(models))
        if model["validation_images"] == "by_seed":
            raise InputError(f"models.{name}.validation_images: must be last if {setting} is {value}")
        if model["validation_split"] != models[first]["validation_split"]:
            raise InputError(
                f"models.{name}.validation_split: {model['validation_split']:g}, but {first} has"
                f" {models[first]['validation_split']:g}; {setting} {value} needs the same for all"
            )


def identical_trainings(config: dict) -> list[list[str]]:
    """Return the groups of two or more models of a completed config whose trainings are the same, as lists of names."""
    groups: dict[str, list[str]] = {}
    for name in config["models"]:
        groups.setdefault(model_spec(config, name).to_json(), []).append(name)
    return [names for names in groups.values() if len(names) > 1]
