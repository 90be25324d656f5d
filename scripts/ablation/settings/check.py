"""The config checked against its schema and completed with its defaults."""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from ablation.errors import InputError, nearest, suggestion
from ablation.own_files import is_own
from ablation.settings import families
from ablation.settings.networks import network_settings
from ablation.settings.recipes import name_of, recipe_rule, required_arguments, settled, why_own_rate
from ablation.settings.specs import check_same_validation_images, whitening_holdout

TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
PERIODIC = re.compile(r"(.+)\1{19,}\Z")  # what Snakemake refuses as a wildcard's value
LONGEST_SHOWN = 200  # characters of a value in a message
SMALLEST = 2.0**-126  # of the numbers of float32 with all their digits


def _is_number(_checker: Any, value: Any) -> bool:
    """Tell whether a value is a number that float32, in which networks are trained, can tell from 0 and infinity."""
    return type(value) in (int, float) and (value == 0 or SMALLEST <= abs(value) < 2**128)


def _is_integer(_checker: Any, value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer}),
)


def validate_and_fill(config: dict, schema: dict) -> dict:
    """Return a copy of `config` with every default of `schema` filled in and every model complete.

    Families of models are expanded: `families` is what `families.expand` returns of them. limits.epochs is applied to
    the models, and a setting that does not apply to a model is None. Text that spells a number is read as one where a
    number belongs: YAML takes 1e-4 for text, and snakemake all that `--config` nests.

    Raises InputError, one line that names the key, what is wrong with it and what is allowed, for an unknown key, a
    wrong type, an impossible value, or settings that do not go together.
    """
    given = {key for key, value in _section(config, "dataset").items() if value not in (None, "null")}
    for_all, network_rules = _section(config, "defaults"), _network_reader(schema)
    rules = _with_own_settings(config, schema, network_rules)
    config = _normalized(config, rules, rules["$defs"])
    errors = sorted(Validator(rules).iter_errors(config), key=_rank)
    if errors:
        raise InputError(_explain(errors[0]))
    _check_characters("", config)
    config["models"], config["families"] = families.expand(
        config, schema, set(for_all), partial(network_rules, "models")
    )
    _check_names([*config["models"], *config["families"]])
    _complete_dataset(config["dataset"], given, schema["properties"]["dataset"]["properties"])
    _complete_baseline(config)
    try:
        _complete_models(config, for_all, schema["$defs"]["settings"]["properties"], network_rules)
        whitening_holdout(config)
        _check_report_on(config)
    except InputError as error:
        raise InputError(families.of_family(str(error), config["families"])) from None
    return config


def _rank(error: ValidationError) -> tuple[int, list[str]]:
    """Return the order in which errors are told.

    An unknown key comes after others, since one of these may be why it is not known; but before a missing one that it
    may be a misspelling of.
    """
    path = list(map(str, error.path))
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        given = [key for key in error.instance if key not in error.schema["properties"]]
        return 2 * any(nearest(key, missing) for key in given), path
    return int(error.validator == "additionalProperties"), path


def _check_characters(where: str, value: Any) -> None:
    """Raise InputError for text with a character that is no text: a control character, or half of one."""
    if isinstance(value, str):
        for character in value:
            if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
                raise InputError(f"{where}: has the character {character!a}, which is no text")
    elif isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            _check_characters(f"{where}[{key}]" if isinstance(key, int) else f"{where}.{key}".lstrip("."), entry)


def _check_names(names: Iterable[str]) -> None:
    """Raise InputError for names of models and families that a filesystem or Snakemake can't take."""
    alike: dict[str, str] = {}
    for name in names:
        other = alike.setdefault(name.lower(), name)
        if other != name:
            raise InputError(
                f"models.{name}: differs from {other} only in case, which not every filesystem can tell apart"
            )
        if repeated := PERIODIC.search(name):
            raise InputError(
                f"models.{name}: ends in 20 or more times {repeated[1]!r}, which Snakemake takes for a loop; shorten it"
            )


def _complete_dataset(dataset: dict, given: set[str], rules: dict[str, dict]) -> None:
    """Set to None what does not apply to a data set, in place; raise InputError if that was given, or lacks a path."""
    _check_applicable("dataset", dataset, given, rules)
    if dataset["name"] in rules["path"]["x-only-with"]["name"] and dataset["path"] is None:
        raise InputError(f"dataset.path: missing; dataset.name {dataset['name']} needs it")


def _complete_baseline(config: dict) -> None:
    """Choose the first model as the baseline where there is none; raise InputError for a name that no model has."""
    models = config["models"]
    for name in (config["published"] or {"models": {}})["models"]:
        if name not in models:
            raise InputError(f"published.models.{name}: no such model; {suggestion(name, models)}")
    baseline = config["baseline"] = config["baseline"] or next(iter(models))
    if baseline not in models:
        raise InputError(f"baseline: no such model {baseline!r}; {suggestion(baseline, models)}")


def _complete_models(
    config: dict, for_all: dict, settings: dict[str, dict], network_rules: Callable[[str, Any], dict[str, dict]]
) -> None:
    """Give every model all settings, None where one does not apply, and the limit of epochs; in place.

    for_all: the defaults that the user gave; settings: the schema's rules.

    Raises InputError where a setting of a model's own does not go with the others.
    """
    defaults = config["defaults"]
    networks = {
        name: network_rules("models", own.get("architecture", defaults["architecture"]))
        for name, own in config["models"].items()
    }
    for key in (key for own in networks.values() for key in own):
        defaults.setdefault(key, None)
    for name, own in config["models"].items():
        model = config["models"][name] = {**defaults, **own}
        for key in defaults.keys() - settings.keys() - networks[name].keys():
            model[key] = None
        shared = {key: rule for key, rule in settings.items() if key not in networks[name]}
        _check_applicable(f"models.{name}", model, set(own), shared)
        _check_recipe(f"models.{name}", model, own)
        if "learning_rate" not in {*own, *for_all}:
            _check_learning_rate(f"models.{name}", model, settings["optimizer"])
        for key, rule in networks[name].items():
            if key not in own:
                model[key] = _inherited(key, for_all, rule)
            elif "x-of" in rule:  # a grid may have given it the value of another network's setting
                model[key] = _of_network(f"models.{name}.{key}", own[key], rule)
        if model["validation_split"] == 0:
            model["validation_images"] = None
        if config["dataset"]["groups"] and model["validation_images"] == "by_seed":
            raise InputError(f"models.{name}.validation_images: must be last if dataset.groups is set")
    for model in (defaults, *config["models"].values()):
        model["epochs"] = min(model["epochs"], config["limits"]["epochs"] or model["epochs"])
        for recipe in ("optimizer", "schedule"):
            model[recipe] = settled(recipe, model[recipe], settings[recipe])


def _check_report_on(config: dict) -> None:
    """Raise InputError where the study reports on validation images that models lack, or that are not the same."""
    if config["report_on"] == "validation":
        for name, model in config["models"].items():
            if model["validation_split"] == 0:
                raise InputError(
                    f"models.{name}.validation_split: is 0, so there are no images for report_on validation"
                )
        check_same_validation_images(config["models"], "report_on", "validation")  # tests pair them


def _section(config: Any, *keys: str) -> dict:
    """Return a mapping in a config that is not checked yet; {} where there is something else."""
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config if isinstance(config, dict) else {}


def _network_reader(schema: dict) -> Callable[[str, Any], dict[str, dict]]:
    """Return a function to the rules of those settings of a network that the schema lacks; each file is read once.

    It takes the section of the config that names the architecture, for messages, and the architecture.
    """
    settings = schema["$defs"]["settings"]["properties"]
    found: dict[str, dict[str, dict]] = {}

    def rules_of(section: str, architecture: Any) -> dict[str, dict]:
        if not is_own(architecture) and architecture not in settings["architecture"]["enum"]:
            return {}
        if architecture not in found:
            rules = network_settings(f"{section}.architecture", architecture, schema)
            found[architecture] = {key: rule for key, rule in rules.items() if rule is not settings.get(key)}
        return found[architecture]

    return rules_of


def _with_own_settings(config: dict, schema: dict, network_rules: Callable[[str, Any], dict[str, dict]]) -> dict:
    """Return the schema with the settings of a config's networks, and the arguments of its optimizers and schedules."""
    sections, settings = schema["properties"], schema["$defs"]["settings"]
    networks = {}
    for name in _section(config, "models"):
        own = _section(config, "models", name)
        section = f"models.{name}" if "architecture" in own else "defaults"
        chosen = {
            "architecture": settings["properties"]["architecture"]["default"],
            **_section(config, "defaults"),
            **own,
        }
        networks[name] = network_rules(section, chosen["architecture"])
    every = {key: rule for own in networks.values() for key, rule in own.items() if key not in settings["properties"]}
    defaults = {key: entry for key, entry in sections["defaults"].items() if key != "$ref"}
    defaults |= _extended(settings, _section(config, "defaults"), every)
    models = {}
    for name, own in networks.items():
        given = _section(config, "models", name)
        if families.kinds(given):
            kind = families.kinds(given)[0]
            of = _section(given, kind).get("of")
            if isinstance(of, str):
                families.check_of(f"models.{name}.{kind}.of", of, _section(config, "models"))
            models[name] = families.rule(given, networks[of] if isinstance(of, str) else {}, schema)
        else:
            models[name] = _extended(schema["$defs"]["model"], given, own)
        models[name] |= {"x-chosen": True}
    models = sections["models"] | {"properties": models}
    return schema | {"properties": sections | {"defaults": defaults, "models": models}}


def _extended(rule: dict, given: dict, own: dict[str, dict]) -> dict:
    """Return the rule of a model or of the defaults with the settings of networks and of Keras's recipes."""
    properties = rule["properties"] | {
        key: {name: value for name, value in entry.items() if name != "default"} for key, entry in own.items()
    }
    for recipe in ("optimizer", "schedule"):
        properties[recipe] = recipe_rule(recipe, given.get(recipe), properties[recipe])
    if is_own(given.get("architecture")):
        properties["architecture"] = {"type": "string"}
    return rule | {"properties": properties}


def _check_recipe(where: str, model: dict, own: dict) -> None:
    """Raise InputError where Keras's schedule lacks an argument, or does not go with another setting of a model."""
    if isinstance(model["schedule"], str):
        for argument in required_arguments("schedule", model["schedule"]):
            raise InputError(f"{where}.schedule.{argument}: missing; {model['schedule']} needs it")
    if isinstance(model["schedule"], dict) and model["schedule"]["name"] == "piecewise_constant_decay":
        if model["optimizer"] == "muon":
            raise InputError(
                f"{where}.schedule: piecewise_constant_decay does not go with optimizer muon, which needs a"
                " learning_rate beside its kernel_learning_rate"
            )
        if "learning_rate" in own:
            raise InputError(
                f"{where}.learning_rate: does not apply to schedule piecewise_constant_decay, which has its own values"
            )
        model["learning_rate"] = None
        if (boundaries := model["schedule"]["boundaries"]) != sorted(boundaries):
            raise InputError(f"{where}.schedule.boundaries: must be in ascending order (got {boundaries})")
    schedule, optimizer = model["schedule"], model["optimizer"]
    if isinstance(schedule, dict) and schedule.get("warmup_steps") and schedule.get("warmup_target") is None:
        raise InputError(f"{where}.schedule.warmup_target: missing; warmup_steps needs it, the rate to rise to")
    if isinstance(optimizer, dict) and not optimizer.get("use_ema"):
        for key in ("ema_momentum", "ema_overwrite_frequency"):
            if key in optimizer:
                raise InputError(f"{where}.optimizer.{key}: applies only with use_ema: true")
    for pattern in (optimizer.get("exclude_layers") or []) if isinstance(optimizer, dict) else []:
        try:
            re.compile(pattern)
        except re.error as error:
            setting = f"{where}.optimizer.exclude_layers"
            raise InputError(f"{setting}: {pattern!r} is no regular expression ({error})") from None
    if isinstance(optimizer, dict) and optimizer.get("gradient_accumulation_steps") and model["lookahead"]:
        raise InputError(f"{where}.lookahead: does not go with an optimizer's gradient_accumulation_steps")


def _check_learning_rate(where: str, model: dict, ours: dict) -> None:
    """Raise InputError where a model would have the default learning rate with muon or an optimizer of Keras's.

    ours: the schema's rule of optimizers.
    """
    default = model["learning_rate"]  # None with a schedule that has its own values
    if default is not None and (why := why_own_rate(model["optimizer"], ours)):
        raise InputError(f"{where}.learning_rate: missing; the default {_shown(default)} is for adadelta, and {why}")


def _inherited(key: str, for_all: dict, rule: dict) -> Any:
    """Return the value of a setting of a network that the model's entry lacks: the user's for all, or its own default.

    Raises InputError where that is none of its values.
    """
    if for_all.get(key) is not None:
        return _of_network(f"defaults.{key}", for_all[key], rule)
    return _of_network(f"{rule['x-place']}: its default" if "x-place" in rule else key, rule["default"], rule)


def _of_network(where: str, value: Any, rule: dict) -> Any:
    """Return the value of a setting of a network, read; raise InputError where it is none of those of its rule."""
    value = _normalized(value, rule, {})
    for error in Validator({"properties": {where: rule}}).iter_errors({where: value}):
        raise InputError(_explain(error))
    return value


def _check_applicable(where: str, section: dict, given: set[str], rules: dict[str, dict]) -> None:
    """Set to None what does not apply to the other settings of a section; raise InputError if it was given.

    Raises InputError also for a list that is too long or too short for them.
    """
    for key, rule in rules.items():
        for other, values in rule.get("x-only-with", {}).items():
            if section[other] not in values:
                if key in given:
                    here = name_of(section[other])
                    if other == "optimizer" and section[other] not in rules[other]["enum"]:
                        here = f"Keras's {here}, which has its arguments inside, as in {{name: {here}, clipnorm: 1}}"
                    raise InputError(
                        f"{where}.{key}: applies only to {other} {' or '.join(values)} (here it is {here})"
                    )
                section[key] = None
        for other, entries in rule.get("x-entries", {}).items():
            needed, value = entries.get(section[other]), section[key]
            if value is not None and len(value) != needed:
                raise InputError(
                    f"{where}.{key}: expected {needed} entries for {other} {section[other]}, got {len(value)}: {value}"
                )


def _normalized(value: Any, rule: dict, definitions: dict, fill: bool = True) -> Any:
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
                raise InputError(f"{key!r}: a key must be a string; put it in quotes")
        known = rule.get("properties", {})
        if fill:
            value = {**{key: entry["default"] for key, entry in known.items() if "default" in entry}, **value}
        chosen = rule.get("additionalProperties") or {}
        return {
            key: _normalized(entry, rule, definitions, fill and key in known and "x-chosen" not in rule)
            for key, entry in value.items()
            for rule in [known.get(key, chosen)]
        }
    if isinstance(value, list):
        rules = rule.get("prefixItems", [rule.get("items", {})] * len(value))
        return [_normalized(entry, rule, definitions) for entry, rule in zip(value, rules, strict=True)]
    return _read(value, types, rule.get("enum", []))


def _read(value: Any, types: list[str], choices: list) -> Any:
    """Return a number or null that is spelled as text, and a number of the other kind, as what it must be."""
    for choice in choices:
        if not isinstance(choice, str) and (value == _shown(choice) or (type(value) is float and value == choice)):
            return choice
    if isinstance(value, str):
        if value == "null" and "null" in types:
            return None
        if value in ("true", "false") and "boolean" in types:
            return value == "true"
        if NUMBER.fullmatch(value) and {"integer", "number"} & set(types):
            value = float(value) if set(value) & set(".eE") else int(value)
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return int(value)
    if type(value) is int and "number" in types and abs(value) < 2**128:
        return float(value)  # so that 1 and 1.0 are one setting
    return value


def _explain(error: ValidationError) -> str:
    """Return a ValidationError in one line."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    value, limit = error.instance, error.validator_value
    got, of = _shown(value), f" ({error.schema['x-of']})" if "x-of" in error.schema else ""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        key = next(key for key in value if key not in known)
        key_shown = key if key and key.isprintable() else repr(key)
        own = [name for name, rule in known.items() if "x-of" in rule]
        of = f"; of {known[own[0]]['x-of']}: {', '.join(own)}" if own else ""
        return f"{where + '.' if where else ''}{key_shown}: unknown key; {suggestion(key, known)}{of}"
    if error.validator == "required":
        key = next(key for key in limit if key not in value)
        return f"{where + '.' if where else ''}{key}: missing"
    if "propertyNames" in error.absolute_schema_path:
        return (
            f"{where}: {got} is not a valid model name:"
            " use up to 64 letters a to z, digits, '-', '_' and '.', starting with a letter"
        )
    if error.validator == "type":
        if isinstance(value, float) and not math.isfinite(value):
            return f"{where}: must be finite (got {got})"
        if type(value) is int and "integer" in limit:
            return f"{where}: must be less than 2**63 in size (got {got})"
        if type(value) in (int, float) and "number" in limit:
            return f"{where}: must be 0, or from {SMALLEST:.3g} to {2.0**128:.3g} in size (got {got})"
        allowed = " or ".join(TYPE_NAMES[name] for name in ([limit] if isinstance(limit, str) else limit))
        return f"{where}: expected {allowed}, got {'a boolean' if isinstance(value, bool) else got}{of}"
    if error.validator == "enum":
        if "x-instead" in error.schema:
            return f"{where}: {got} {error.schema['x-instead']}"
        return f"{where}: {got} is unknown; {suggestion(value, limit)}{error.schema.get('x-also', '')}{of}"
    if error.validator in ("minItems", "maxItems") and error.schema.get("minItems") == error.schema.get("maxItems"):
        return f"{where}: expected {limit} entries, got {len(value)}: {got} ({error.schema['description'].rstrip('.')})"
    rules = {
        "minimum": f"must be at least {_shown(limit)}",
        "maximum": f"must be at most {_shown(limit)}",
        "exclusiveMinimum": f"must be more than {_shown(limit)}",
        "exclusiveMaximum": f"must be less than {_shown(limit)}",
        "minItems": "must have at least one entry",
        "minProperties": "must have at least one entry",
        "minLength": "must not be empty",
        "uniqueItems": "must not have the same entry twice",
        "pattern": f"must match {limit}",
    }
    return f"{where}: {rules.get(error.validator, error.message)} (got {got})"


def _shown(value: Any) -> str:
    """Return a value as it stands in the config, most likely."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return f"{value:.0f}"
    shown = str(value) if isinstance(value, date) else repr(value)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
