"""Families: entries of `models` that stand for several rows, each a plain model once the config is read."""

import re
from collections.abc import Callable, Iterable
from itertools import product
from math import prod
from typing import Any

from ablation.errors import InputError, suggestion
from ablation.own_files import is_own
from ablation.settings.recipes import name_of, recipe_rule, why_own_rate
from ablation.settings.words import format_settings

LONGEST_NAME = 64
MOST_ROWS = 10_000
RESERVED = ("baseline", "pairs")  # families of comparisons.csv that every study has
Rules = dict[str, dict]
Rows = dict[str, tuple[dict, dict]]  # by name: the settings that the row is about, and its model


def kinds(entry: dict) -> list[str]:
    """Return which kinds of family an entry of `models` is; none for that of a model."""
    return [kind for kind in ("ablate", "grid") if kind in entry]


def rule(entry: dict, network: Rules, schema: dict) -> dict:
    """Return the schema's rule of a family, with the names of the settings and what their values are.

    entry: as it stands in the config, unchecked. network: the rules of the settings of its model's own network.
    """
    settings = schema["$defs"]["settings"]["properties"] | network
    given = entry.get("grid")
    grid = given if isinstance(given, dict) else {}
    lists = {key: _list_of(key, grid.get(key), rule) for key, rule in settings.items()}

    def filled(rule: Any) -> Any:
        if not isinstance(rule, dict):
            return rule
        match rule.get("x-settings"):
            case "names":
                return {"enum": list(settings)}
            case "lists":
                return rule | {"properties": rule["properties"] | lists}
        return {key: filled(part) for key, part in rule.items()}

    return filled(schema["$defs"]["family"])


def _list_of(setting: str, values: Any, rule: dict) -> dict:
    """Return the rule of a list of values of a setting, each by what it is where that decides its form."""
    rules = []
    for value in values if isinstance(values, list) else []:
        if setting in ("optimizer", "schedule"):
            rules.append(recipe_rule(setting, value, rule))
        else:
            rules.append({"type": "string"} if setting == "architecture" and is_own(value) else rule)
    return {"type": "array", "minItems": 1, "uniqueItems": True, "prefixItems": rules}


def check_of(where: str, of: str, entries: dict[str, Any]) -> None:
    """Raise InputError where `of` is no model of a config's entries of `models`, or a family."""
    plain = sorted(name for name, entry in entries.items() if not (isinstance(entry, dict) and kinds(entry)))
    if of in entries and of not in plain:
        raise InputError(f"{where}: {of} is a family; give a model, {suggestion(of, plain)}")
    if of not in plain:
        raise InputError(f"{where}: no such model {of!r}; {suggestion(of, plain)}")


def expand(
    config: dict, schema: dict, for_all: set[str], network_rules: Callable[[str], Rules]
) -> tuple[dict[str, dict], dict[str, dict]]:
    """Return the models of a config with those of its families in their places, and the families, both by name.

    config: valid, with defaults filled in; its models are not completed yet. for_all: the settings that its defaults
    were given. network_rules: the rules of the settings of an architecture's own. A family is returned as

        entry         as it stands in the config
        kind, of      "ablate" or "grid", and the model that its rows are compared with
        rows          by name, the settings that a row is about: those put back, or those of the grid; None for one that
                      does not apply
        left_out      lines of text on settings that can't be put back by themselves

    Raises InputError where a family has nothing to vary, more than MOST_ROWS rows, or a row whose
    name is too long or taken.
    """
    plain = {name for name, entry in config["models"].items() if not kinds(entry)}
    settings = _Settings(config, schema, for_all, network_rules)
    models: dict[str, dict] = {}
    families: dict[str, dict] = {}
    for name, entry in config["models"].items():
        if name in plain:
            models[name] = entry
            continue
        if name in RESERVED:
            raise InputError(f"models.{name}: a family can't have this name, which comparisons.csv has for another one")
        if len(kinds(entry)) > 1:
            raise InputError(f"models.{name}: has both ablate and grid; make two entries of it")
        (kind,) = kinds(entry)
        of, where = entry[kind]["of"], f"models.{name}.{kind}"
        family = {"entry": entry, "kind": kind, "of": of, "rows": {}, "left_out": []}
        rows = (_ablation if kind == "ablate" else _grid)(where, family, settings)
        for row, (about, model) in rows.items():
            if len(row) > LONGEST_NAME:
                raise InputError(
                    f"{where}: its row {row} has a name of {len(row)} letters, {LONGEST_NAME} are possible;"
                    f" shorten that of {of}, or vary fewer settings"
                )
            if row in plain or row in models:
                other = next(
                    (f"a row of {other}" for other, it in families.items() if row in it["rows"]), "another model"
                )
                raise InputError(f"{where}: its row {row} is the name of {other}; change or rename that one")
            models[row] = model
            family["rows"][row] = about
        families[name] = family
    return models, families


def of_family(message: str, families: dict[str, dict]) -> str:
    """Return the message of an error of a model, as an error of the family that it is a row of, if it is one."""
    kinds = {row: f"models.{name}.{family['kind']}" for name, family in families.items() for row in family["rows"]}
    rows = [row for row in kinds if message.startswith(f"models.{row}.")]
    if not rows:
        return message
    return f"{kinds[max(rows, key=len)]}: its row {message.removeprefix('models.')}"  # names may have dots


class _Settings:
    """The settings of models and which of them go together.

    config, schema, for_all, network_rules: as of `expand`.
    """

    def __init__(self, config: dict, schema: dict, for_all: set[str], network_rules: Callable[[str], Rules]) -> None:
        self.config, self.for_all, self.network_rules = config, for_all, network_rules
        self.shared: Rules = schema["$defs"]["settings"]["properties"]

    def own(self, name: str) -> dict:
        """Return the settings of a model's own entry."""
        return {key: value for key, value in self.config["models"][name].items() if key != "description"}

    def rules(self, own: dict) -> Rules:
        """Return the rules of the settings that a model with these settings of its own may have."""
        return self.shared | self.network_rules({**self.config["defaults"], **own}["architecture"])

    def defaults(self, own: dict) -> dict:
        """Return what settings are unless a model's entry says otherwise."""
        network = self.network_rules({**self.config["defaults"], **own}["architecture"])
        of_network = {key: rule["default"] for key, rule in network.items() if key not in self.for_all}
        return {**self.config["defaults"], **of_network}

    def settled(self, own: dict, fixed: Iterable[str] = ()) -> tuple[dict, dict]:
        """Return a model's own settings without those that no longer go with the others, and what these are then.

        A setting that does not apply is left out and None; one whose list is too long or too short, unless it is
        `fixed`, is as in the defaults.
        """
        along: dict[str, Any] = {}
        while True:
            for key in own:
                if not self.applies(key, own):
                    along[key] = None
                elif key not in fixed and self.of_other_length(key, own):
                    along[key] = self.defaults(own)[key]
            if not along.keys() & own.keys():
                return own, along
            own = {key: value for key, value in own.items() if key not in along}

    def lacks_rate(self, own: dict) -> bool:
        """Tell whether a model would have the default learning rate with an optimizer for which it is not meant."""
        optimizer = {**self.config["defaults"], **own}["optimizer"]
        return "learning_rate" not in {*own, *self.for_all} and why_own_rate(optimizer, self.shared["optimizer"]) != ""

    def together(self, setting: str, own: dict) -> list[str]:
        """Return what is put back with a setting of a model: the setting, and with another optimizer its learning rate.

        The rate stays where the default one is not meant for the default optimizer either.
        """
        default, rates = self.config["defaults"], self.shared["learning_rate"]
        rate, is_given = default["learning_rate"], default["learning_rate"] != rates["default"]
        is_meant = is_given or not why_own_rate(default["optimizer"], self.shared["optimizer"])
        is_another = setting == "optimizer" and name_of(own[setting]) != name_of(default[setting])
        goes_along = is_another and is_meant and own.get("learning_rate", rate) != rate
        return [setting, "learning_rate"] if goes_along else [setting]

    def applies(self, key: str, own: dict) -> bool:
        """Tell whether a setting applies to the others of a model with these settings of its own."""
        model = {**self.defaults(own), **own}
        if key in self.network_rules(model["architecture"]):
            return True
        conditions = self.shared[key].get("x-only-with", {}) if key in self.shared else {"architecture": []}
        return all(model[other] in values for other, values in conditions.items())

    def of_other_length(self, key: str, own: dict) -> str:
        """Return the setting with which a list of another length goes, as text; "" where there is none."""
        model = {**self.defaults(own), **own}
        for other, lengths in self.rules(own)[key].get("x-entries", {}).items():
            if len(model[key]) != lengths.get(model[other], len(model[key])):
                return format_settings({other: model[other]})
        return ""

    def complete(self, own: dict) -> dict:
        """Return what decides the results of a model: all of its settings that apply."""
        model = {**self.defaults(own), **own}
        model["epochs"] = min(model["epochs"], self.config["limits"]["epochs"] or model["epochs"])
        without = {"validation_images"} if model["validation_split"] == 0 else set()
        return {key: model[key] for key in self.rules(own) if key not in without and self.applies(key, own)}


WITHOUT_RATE = {  # why a setting can't be put back where the rest then lacks a learning rate
    "learning_rate": "learning_rate can't be put back: the default is for adadelta",
    "schedule": "schedule can't be put back by itself: the default one needs a learning_rate",
}


def _ablation(where: str, family: dict, settings: _Settings) -> Rows:
    """Return the rows in which one setting of a model is put back each; a limit of epochs may leave some the same."""
    of, wanted = family["of"], family["entry"]["ablate"].get("settings", "all")
    own = settings.own(of)
    defaults = settings.defaults(own)
    rows: Rows = {}
    put_back = []
    for setting in settings.rules(own) if wanted == "all" else wanted:
        if setting not in defaults or own.get(setting, defaults[setting]) == defaults[setting]:
            if wanted != "all":
                has = format_settings({setting: defaults.get(setting)})
                raise InputError(f"{where}.settings: {of} has {has}, as defaults have: nothing to put back")
            continue
        together = settings.together(setting, own)
        rest, along = settings.settled({key: value for key, value in own.items() if key not in together})
        line = WITHOUT_RATE.get(setting, "") if settings.lacks_rate(rest) else ""
        if others := settings.of_other_length(setting, rest):
            back = format_settings({setting: defaults[setting]})
            line = f"{setting} can't be put back by itself: {back} is not for {others}"
        if line and wanted != "all":
            raise InputError(f"{where}.settings: {line}")
        if line:
            family["left_out"].append(line)
            continue
        if settings.complete(rest) == settings.complete(own):
            continue
        about = {key: defaults[key] for key in together} | along
        rows[f"{of}-without-{setting}"] = about, rest | {"description": _in_words(of, about)}
        put_back.append(setting)
    if not rows:
        raise InputError(f"{where}: {of} differs from defaults in nothing that could be put back")
    if wanted != "all":
        family["entry"] = family["entry"] | {"ablate": {"of": of, "settings": put_back}}
    return rows


def _grid(where: str, family: dict, settings: _Settings) -> Rows:
    """Return the rows of all combinations of values; what does not apply in one is no part of it."""
    of, lists = family["of"], {key: values for key, values in family["entry"]["grid"].items() if key != "of"}
    if not lists:
        raise InputError(f"{where}: has no setting with a list of its values")
    size = prod(map(len, lists.values()))
    if size > MOST_ROWS:
        raise InputError(f"{where}: has {size:,} combinations, {MOST_ROWS:,} are possible")
    rows: Rows = {}
    applied: set[str] = set()
    for values in product(*lists.values()):
        chosen = dict(zip(lists, values, strict=True))
        rest, dropped = settings.settled({**settings.own(of), **chosen}, fixed=chosen)
        about = {key: value for key, value in chosen.items() if key in rest}
        along = {key: value for key, value in dropped.items() if key not in chosen}
        applied |= set(about)
        row = "-".join([of, *(f"{key}-{_in_a_name(value)}" for key, value in about.items())])
        if rows.get(row, (about,))[0] != about:
            raise InputError(f"{where}: two of its rows have the name {row}")
        rows[row] = about, rest | {"description": _in_words(of, about | along)}
    for setting in lists.keys() - applied:
        raise InputError(f"{where}.{setting}: does not apply to {of}, whatever the other settings of the grid are")
    return rows


def _in_words(of: str, about: dict) -> str:
    """Return what a row is: "airbench94 with optimizer adadelta; without momentum, which does not apply then"."""
    without = [key for key, value in about.items() if value is None]
    words = f"{of} with {format_settings({key: value for key, value in about.items() if value is not None})}"
    if without:
        words += f"; without {', '.join(without)}, which {'do' if len(without) > 1 else 'does'} not apply then"
    return words


def _in_a_name(value: Any) -> str:
    """Return a value as a part of a model's name: "0.1", "0.25_0.25_0.5"."""
    if isinstance(value, list | dict):
        return "_".join(map(_in_a_name, value.values() if isinstance(value, dict) else value))
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)
