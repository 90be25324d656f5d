"""The config checked against its schema and completed with its defaults."""

import copy
import difflib
import math

from jsonschema import Draft202012Validator

from ablation.errors import InputError
from ablation.spec import ModelSpec

TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def complete(config, schema):
    """Return a copy of `config` with every default of `schema` filled in and every model spelled out.

    limits.epochs is applied to the models.

    Raises InputError, one line that names the key, what is wrong with it and what is allowed,
    for an unknown key, a wrong type or an impossible value.
    """
    config = copy.deepcopy(config)
    _fill(config, schema, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise InputError(_message(errors[0]))
    dataset = config["dataset"]
    if (dataset["name"] == "npz") != (dataset["path"] is not None):
        raise InputError("dataset.path: goes with dataset.name npz, and npz needs it")
    if dataset["archive"] is not None and dataset["name"] != "cifar10":
        raise InputError(f"dataset.archive: goes with dataset.name cifar10, not {dataset['name']}")
    for name in (config["published"] or {"models": {}})["models"]:
        if name not in config["models"]:
            raise InputError(f"published.models.{name}: no such model; {_nearest(name, config['models'])}")
    config["defaults"] = {**_defaults(schema["$defs"]["settings"]), **config["defaults"]}
    for name, model in config["models"].items():
        config["models"][name] = {**config["defaults"], **model}
    for model in (config["defaults"], *config["models"].values()):
        model["epochs"] = min(model["epochs"], config["limits"]["epochs"] or model["epochs"])
    return config


def _defaults(schema):
    return {name: rule["default"] for name, rule in schema["properties"].items()}


def _fill(value, schema, root):
    """Fill defaults into `value` in place; an empty section (`null`) becomes an empty mapping."""
    for key, rule in schema.get("properties", {}).items():
        if key not in value and "default" in rule:
            value[key] = copy.deepcopy(rule["default"])
        if value.get(key, "") is None and rule.get("type") == "object":
            value[key] = {}
        if isinstance(value.get(key), dict) and rule.get("type") == "object":
            _fill(value[key], rule, root)
    for section in ("defaults", "models"):
        if schema is root and value.get(section, "") is None:
            value[section] = {}
    if schema is root and isinstance(value.get("models"), dict):
        value["models"] = {name: {} if model is None else model for name, model in value["models"].items()}


def _message(error):
    """Say a jsonschema ValidationError in one line."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    value, limit = error.instance, error.validator_value
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        key = next(key for key in value if key not in known)
        return f"{where + '.' if where else ''}{key}: unknown key; {_nearest(key, known)}"
    if error.validator == "required":
        key = next(key for key in limit if key not in value)
        return f"{where + '.' if where else ''}{key}: missing"
    if "propertyNames" in error.absolute_schema_path:
        return f"{where}.{value}: a model's name is of letters, digits, - and _, 64 at the most"
    if error.validator == "type":
        allowed = " or ".join(TYPE_NAMES[name] for name in ([limit] if isinstance(limit, str) else limit))
        hint = ""
        if isinstance(value, str) and "number" in allowed and _is_number(value):
            hint = f"; in YAML {float(value)!r} is a number, {value} is text"
        return f"{where}: {value!r} is {_type_name(value)}; it has to be {allowed}{hint}"
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
    return f"did you mean {close[0]!r}? " * bool(close) + f"allowed: {', '.join(allowed)}"


def _type_name(value):
    if isinstance(value, bool):
        return "true or false"
    return next(
        (name for kind, name in ((dict, "a mapping"), (list, "a list"), (str, "text"), (type(None), "null")) if
         isinstance(value, kind)),
        "a number",
    )  # fmt: skip


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def model_spec(config, name):
    """Return the ModelSpec of model `name` of a completed config."""
    return ModelSpec.of({key: config["models"][name][key] for key in config["defaults"]})


def difference(config, name):
    """Return in words how model `name` of a completed config differs from its defaults."""
    model, defaults = config["models"][name], config["defaults"]
    return in_words({key: model[key] for key in defaults if model[key] != defaults[key]})


def in_words(settings):
    """Return settings by key as one line of text."""
    return "; ".join(f"{key} {_value_in_words(value)}" for key, value in settings.items())


def _value_in_words(value):
    return "-".join(map(str, value)) if isinstance(value, list) else str(value).replace("_", " ")
