"""The config checked against its schema and completed with its defaults."""

import dataclasses
import difflib
import math
import re

from jsonschema import Draft202012Validator

from ablation.errors import InputError
from ablation.spec import ModelSpec

TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}
CHANNELS = {"cifar10_cnn": 4, "airbench": 3}
ONLY_WITH = {  # settings that mean nothing unless another one has this value
    "first_layer": ("architecture", "airbench"),
    "batch_normalization": ("architecture", "cifar10_cnn"),
    "dropout": ("architecture", "cifar10_cnn"),
    "decay": ("schedule", "inverse_time"),
    "momentum": ("optimizer", "sgd"),
    "weight_decay": ("optimizer", "sgd"),
    "bias_factor": ("optimizer", "sgd"),
}
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")


def complete(config, schema):
    """Return a copy of `config` with every default of `schema` filled in and every model spelled out.

    limits.epochs is applied to the models, and a setting that means nothing for a model is None. Text
    that spells a number is read as one where a number belongs: YAML takes 1e-4 for text, and snakemake
    all that `--config` nests.

    Raises InputError, one line that names the key, what is wrong with it and what is allowed,
    for an unknown key, a wrong type or an impossible value.
    """
    config = _normalised(config, schema, schema["$defs"])
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise InputError(_message(errors[0]))
    dataset = config["dataset"]
    if (dataset["name"] == "npz") != (dataset["path"] is not None):
        raise InputError("dataset.path: goes with dataset.name npz, and npz needs it")
    if (dataset["name"], dataset["archive"], config["download"]["sources"]) == ("cifar10", None, []):
        raise InputError("download.sources: names no address, and dataset.archive no file")
    if dataset["archive"] is not None and dataset["name"] != "cifar10":
        raise InputError(f"dataset.archive: goes with dataset.name cifar10, not {dataset['name']}")
    for name in (config["published"] or {"models": {}})["models"]:
        if name not in config["models"]:
            raise InputError(f"published.models.{name}: no such model; {_nearest(name, config['models'])}")
    baseline = config["baseline"] = config["baseline"] or next(iter(config["models"]))
    if baseline not in config["models"]:
        raise InputError(f"baseline: no such model {baseline!r}; {_nearest(baseline, config['models'])}")
    for name, model in config["models"].items():
        config["models"][name] = _spelled_out(name, model, config["defaults"])
    left_out_of_whitening(config)
    for model in (config["defaults"], *config["models"].values()):
        model["epochs"] = min(model["epochs"], config["limits"]["epochs"] or model["epochs"])
    return config


def _spelled_out(name, own, defaults):
    """Return all settings of model `name`; `own` are those that its entry says."""
    model = {**defaults, **own}
    needed = CHANNELS[model["architecture"]]
    if len(model["channels"]) != needed:
        raise InputError(
            f"models.{name}.channels: has {len(model['channels'])} entries, {model['channels']};"
            f" architecture {model['architecture']} takes {needed}"
        )
    for key, (other, value) in ONLY_WITH.items():
        if model[other] != value:
            if key in own:
                raise InputError(f"models.{name}.{key}: goes with {other} {value}; this model's is {model[other]}")
            model[key] = None
    if model["validation_split"] == 0:
        model["validation_images"] = None
    return model


def _normalised(value, rule, definitions, fill=True):
    """Return a copy of `value` with defaults filled in, numbers read, and empty sections as mappings.

    Entries under names that the user chose (the models) get no defaults here.
    """
    if "$ref" in rule:
        rule = definitions[rule["$ref"].rpartition("/")[2]]
    types = rule.get("type", [])
    types = [types] if isinstance(types, str) else types
    if value is None and types == ["object"]:
        value = {}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{key!r}: a key has to be text; put it in quotes")
        known = rule.get("properties", {})
        if fill:
            value = {**{key: entry["default"] for key, entry in known.items() if "default" in entry}, **value}
        chosen = rule.get("additionalProperties") or {}
        return {
            key: _normalised(entry, known.get(key, chosen), definitions, fill and key in known)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_normalised(entry, rule.get("items", {}), definitions) for entry in value]
    return _read(value, types)


def _read(value, types):
    """Return a number or null that is spelled as text, and a number of the other kind, as what it has to be."""
    if isinstance(value, str):
        if value == "null" and "null" in types:
            return None
        if NUMBER.fullmatch(value) and {"integer", "number"} & set(types):
            value = float(value) if set(value) & set(".eE") else int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)  # which then is refused as text
        if "integer" in types and value.is_integer():
            return int(value)
    if type(value) is int and "number" in types:
        return float(value)  # so that 1 and 1.0 are one setting
    return value


def _message(error):
    """Say a jsonschema ValidationError in one line."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    value, limit = error.instance, error.validator_value
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as it stands in the config, most likely
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        key = next(key for key in value if key not in known)
        shown = key if key and key.isprintable() else repr(key)
        return f"{where + '.' if where else ''}{shown}: unknown key; {_nearest(key, known)}"
    if error.validator == "required":
        key = next(key for key in limit if key not in value)
        return f"{where + '.' if where else ''}{key}: missing"
    if "propertyNames" in error.absolute_schema_path:
        return f"{where}: {value!r} is no name for a model; it starts with a letter and has letters, digits, - and _"
    if error.validator == "type":
        allowed = " or ".join(TYPE_NAMES[name] for name in ([limit] if isinstance(limit, str) else limit))
        return f"{where}: {value!r} is {_type_name(value)}; it has to be {allowed}"
    if error.validator == "enum":
        return f"{where}: {value!r} is unknown; {_nearest(value, limit)}"
    if error.validator in ("minItems", "maxItems") and error.schema.get("minItems") == error.schema.get("maxItems"):
        return f"{where}: has {len(value)} entries, {value}; the network takes {limit} ({error.schema['description']})"
    rules = {
        "minimum": f"it has to be at least {limit}",
        "maximum": f"it has to be at most {limit}",
        "exclusiveMinimum": f"it has to be more than {limit}",
        "exclusiveMaximum": f"it has to be less than {limit}",
        "minItems": f"it needs {limit} or more entries",
        "minProperties": f"it needs {limit} or more entries",
        "minLength": "it has to name something",
        "uniqueItems": "every entry has to be different",
        "pattern": f"it has to match {limit}",
    }
    return f"{where}: {value!r} is not possible; {rules.get(error.validator, error.message)}"


def _nearest(word, allowed):
    close = difflib.get_close_matches(str(word), allowed, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed: {', '.join(allowed)}"


def _type_name(value):
    if isinstance(value, bool):
        return "true or false"
    for kind, name in ((dict, "object"), (list, "array"), (str, "string"), (type(None), "null")):
        if isinstance(value, kind):
            return TYPE_NAMES[name]
    return TYPE_NAMES["number"]


def left_out_of_whitening(config):
    """Return the share of the training images, from the end, that the whitening is not fitted on.

    Raises InputError where whitening.fit_on is "train" and the models don't agree on what that is.
    """
    if config["whitening"]["fit_on"] == "train_and_validation":
        return 0.0
    whitened = {name: model for name, model in config["models"].items() if model["input"] == "zca"}
    first = next(iter(whitened), None)
    for name, model in whitened.items():
        if model["validation_images"] == "by_seed":
            raise InputError(f"models.{name}.validation_images: has to be last where whitening.fit_on is train")
        share, of_first = model["validation_split"], whitened[first]["validation_split"]
        if share != of_first:
            raise InputError(
                f"models.{name}.validation_split: {share:g}, but {first} has {of_first:g};"
                " whitening.fit_on train needs one for all"
            )
    return whitened[first]["validation_split"] if whitened else 0.0


def model_spec(config, name):
    """Return the ModelSpec of model `name` of a completed config."""
    return ModelSpec.of({field.name: config["models"][name][field.name] for field in dataclasses.fields(ModelSpec)})


def trained_as(config, name):
    """Return the model of a completed config under whose name `name` is trained.

    Of all that train alike, whatever else is different, it is the first in the alphabet: they are trained once.
    """
    spec = model_spec(config, name)
    return min(other for other in config["models"] if model_spec(config, other) == spec)


def trained_once(config):
    """Return the groups of models of a completed config that train alike and are more than one, as lists of names."""
    groups = {}
    for name in config["models"]:
        groups.setdefault(trained_as(config, name), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def difference(config, name):
    """Return in words how model `name` of a completed config differs from its baseline."""
    model, baseline = config["models"][name], config["models"][config["baseline"]]
    return in_words({key: model[key] for key in config["defaults"] if model[key] not in (None, baseline[key])})


def varying(config):
    """Return, by key, the settings in which the models of a completed config are not all alike, in words by model."""
    models = config["models"]
    return {
        key: {name: _value_in_words(model[key]) for name, model in models.items()}
        for key in config["defaults"]
        if any(model[key] != models[config["baseline"]][key] for model in models.values())
    }


def essential(config):
    """Return a config that completes to what decides the results of `config`, a completed one, and says no more."""
    defaults = config["defaults"]
    kept = {key: value for key, value in config.items() if key not in ("download", "pathvars")}
    return kept | {
        "dataset": {**config["dataset"], "archive": None},  # a path on one machine
        "download": {"sha256": config["download"]["sha256"]},  # what the archive is, wherever it comes from
        "seeds": sorted(config["seeds"]),
        "training": {key: config["training"][key] for key in ("device", "threads")},
        "models": {
            name: {
                key: value for key, value in model.items() if key not in defaults or value not in (None, defaults[key])
            }
            for name, model in config["models"].items()
        },
    }


def defaults_in_words(config):
    """Return the defaults of a completed config as one line of text, those that mean something for some model."""
    models = config["models"].values()
    used = {key: value for key, value in config["defaults"].items() if any(model[key] is not None for model in models)}
    return in_words(used)


def in_words(settings):
    """Return settings by key as one line of text."""
    return "; ".join(f"{key} {_value_in_words(value)}" for key, value in settings.items())


def _value_in_words(value):
    if isinstance(value, list):
        return "-".join(map(_value_in_words, value))
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
