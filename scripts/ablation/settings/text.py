"""The text of the config: which file and line each setting is from, and what of it Snakemake's reading loses.

Snakemake keeps the last of two equal keys, reads 2026 as a number where a title belongs, puts what `--configfile` names
before what the workflow's own file has, and names no line.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ablation.errors import InputError, nearest

OTHER_BASE = re.compile(r"[+-]?0[0-7_]*[1-9][0-7_]+|.*:.*")  # numbers of base 8 and 60 that look like others
TEXT, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
YTE = "__use_yte__"  # with which Snakemake takes a config for a template
SURROGATES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..")
MAX_VALUES = 100_000  # of a file, with those that aliases repeat
MAX_DEPTH = 50  # of lists and mappings in each other; the deepest setting there is has 6


class _Loader(yaml.SafeLoader):
    """Reads YAML as Snakemake does, in Python: libyaml takes some tabs that Snakemake refuses.

    What a value can't be raises a yaml.MarkedYAMLError, whatever it is.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # a month 13; a number of 5,000 digits; !!int of nothing
            problem = f"{_scalar(node)!r:.40} can't be read ({error})"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


@dataclass(frozen=True)
class Place:
    """Where a setting stands: as messages call it, and the text of its value if that is a scalar."""

    where: str
    text: str | None


Places = dict[tuple, Place]  # by the way to the setting: keys, and indices of lists


def read_places(config_files: Iterable[str | Path], arguments: Iterable[str]) -> Places:
    """Return the place of every setting, the last one of those that a later file or argument gives again.

    config_files: in the order in which they override each other; those that are not there are left out. arguments: of
    `--config`, as "title=2026".

    Raises InputError, with file and line, for what is no YAML or JSON in UTF-8, no mapping, has a key twice or one that
    is no text, or has aliases that repeat without end.
    """
    places: Places = {}
    for file in [os.path.relpath(file) for file in config_files if str(file)]:
        if Path(file).exists():
            try:
                places |= _parse(file)
            except RecursionError:
                raise InputError(f"{file}: is nested too deeply") from None
    for argument in arguments:
        key, _, text = argument.partition("=")
        places[(key,)] = Place("--config", text)
        with suppress(yaml.YAMLError):  # then it is text
            places |= dict(_walk(yaml.compose(text, _Loader), "--config", (key,)))
    return places


def read_config(config_files: Iterable[str | Path], arguments: Iterable[str], schema: dict) -> tuple[dict, Places]:
    """Return the config that Snakemake makes of files and of what `--config` gives, `as_written`, and its places.

    Arguments are as of `read_places`. Raises InputError as that does, and for a file that is missing.
    """
    config_files, arguments = list(config_files), list(arguments)
    config: dict[str, Any] = {}
    places = read_places(config_files, arguments)
    for number, file in enumerate(map(Path, config_files)):
        if file.exists():
            _merge(config, _values(file))
        elif number or len(config_files) == 1:  # other files may stand in for the workflow's own
            raise InputError(f"{file}: no such file; go to the folder of a study, or name its config file")
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise InputError(f"--config {argument}: expected KEY=VALUE")
        _merge(config, {key: _argument(value)})
    try:
        return as_written(config, places, schema), places
    except InputError as error:
        raise InputError(located(error, places)) from None


def _argument(text: str) -> Any:
    """Return a value of `--config` as Snakemake reads it: a number, True or False, or YAML whose scalars are texts."""
    for read in (int, float, {"True": True, "False": False}.__getitem__):
        with suppress(ValueError, KeyError):
            return read(text)
    try:
        return yaml.load(text, yaml.BaseLoader) if text else None
    except yaml.YAMLError:
        return text


def _values(file: Path) -> dict:
    """Return what is in a file that `read_places` has read."""
    text = file.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError:
        return yaml.load(text, _Loader) or {}


def _merge(config: dict, other: dict) -> None:
    """Change a config by another one: mappings entry by entry, everything else as a whole."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _merge(config[key], value)
        else:
            config[key] = value


def as_written(config: dict, places: Places, schema: dict) -> dict:
    """Return a config with its models in the order of the files, and with the text of what is text in the schema."""
    config = _with_text(config, (), places, schema, schema["$defs"])
    if isinstance(models := config.get("models"), dict):
        order = {path[1]: None for path in places if len(path) == 2 and path[0] == "models"}
        config["models"] = {name: models[name] for name in [*order, *models] if name in models}
    return config


def located(error: InputError, places: Places) -> str:
    """Return the message of an error, after the place of the setting that it begins with, if that has one."""
    path: list[str | int] = []
    for part in str(error).partition(": ")[0].replace("[", ".[").split("."):
        path.append(int(part[1:-1]) if part[:1] == "[" and part[1:-1].isdecimal() else part)
    while path and tuple(path) not in places:
        path.pop()
    return f"{places[tuple(path)].where}: {error}" if path else str(error)


def check_targets(
    targets: Iterable[str], known: Iterable[str], is_made: Callable[[str], bool] = lambda target: False
) -> None:
    """Raise InputError, with the nearest name, for a target that is none of the known ones and no file on disk.

    is_made: tells whether a rule makes a target that isn't known.
    """
    known = dict.fromkeys(known)
    for target in filter(None, targets):
        if target not in known and not Path(target).is_file() and not is_made(target):
            question = nearest(os.path.relpath(target), known, cutoff=0.3)
            raise InputError(f"{target}: nothing makes this; {question}".rstrip("; "))


def _parse(file: str | Path) -> Places:
    """Return the place of every setting in a file."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{file}: is not encoded in UTF-8; save it so") from None
    except OSError as error:  # a folder, or not permitted
        raise InputError(f"{file}: can't be read ({error.strerror})") from None
    try:
        json.loads(text)
        text = SURROGATES.sub(lambda pair: json.loads(f'"{pair[0]}"'), text.replace("\t", " "))  # JSON that is no YAML
    except (ValueError, RecursionError):
        pass
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise InputError(_described(file, text, error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{file}, line {line}: has the character {chr(error.character)!a}, which is no text") from None
    if not isinstance(node, yaml.MappingNode):
        what = "is empty" if node is None else f"is {'a list' if isinstance(node, yaml.SequenceNode) else 'one value'}"
        raise InputError(f"{file}, line 1: {what}; expected settings, as in 'title: My study'")
    places = dict(_walk(node, os.fspath(file)))
    if (YTE,) in places:
        raise InputError(
            f"{places[YTE,].where}: {YTE}: would run code that the config has; write the values themselves"
        )
    try:
        loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise InputError(_described(file, text, error)) from None
    return places


def _described(file: str | Path, text: str, error: yaml.MarkedYAMLError) -> str:
    """Return in one line what is wrong with YAML and where: of a bracket or quote that isn't closed, where it opens."""
    is_open = "flow" in (error.context or "") or "quoted" in (error.context or "")
    opened, noticed = error.context_mark if is_open else None, error.problem_mark
    line = (opened or noticed).line + 1 if opened or noticed else 1
    seen = f" (noticed in line {noticed.line + 1})" if opened and noticed and opened.line != noticed.line else ""
    problem = ", ".join(filter(None, [error.context, error.problem]))
    is_tab = noticed and "\t" in "".join(text.split("\n")[noticed.line : noticed.line + 1])[: noticed.column + 1]
    hint = "; indent with spaces, not tabs" if is_tab else ""
    return f"{file}, line {line}: is not valid YAML: {' '.join(problem.split())}{seen}{hint}"


def _walk(root: yaml.Node | None, place: str, way: tuple = ()) -> Iterator[tuple[tuple, Place]]:
    """Yield way and place of every setting below a node. What `<<` merges comes first, since own keys override it.

    place: a file; or "--config", which has no lines. way: to the node.
    """
    count = 0

    def where(node: yaml.Node) -> str:
        return place if place == "--config" else f"{place}, line {node.start_mark.line + 1}"

    def below(node: yaml.Node, path: tuple, parents: tuple) -> Iterator[tuple[tuple, Place]]:
        nonlocal count
        count += 1
        if count > MAX_VALUES or node in parents:
            raise InputError(f"{where(node)}: aliases (*) repeat more than {MAX_VALUES:,} values")
        inside = (*parents, node)
        if len(inside) > MAX_DEPTH:
            raise InputError(f"{where(node)}: is nested too deeply")
        if isinstance(node, yaml.SequenceNode):
            for index, entry in enumerate(node.value):
                yield (*path, index), Place(where(entry), _scalar(entry))
                yield from below(entry, (*path, index), inside)
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, yaml.Node] = {}
            merges = [(key, value) for key, value in node.value if key.tag == MERGE]
            if len(merges) > 1:
                line = merges[0][0].start_mark.line + 1
                raise InputError(f"{where(merges[1][0])}: '<<' is given twice, first in line {line}")
            own = {str(_scalar(key)) for key, _ in node.value}
            for key, value in sorted(node.value, key=lambda pair: pair[0].tag != MERGE):
                if key.tag == MERGE:
                    several = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    seen: set[str] = set()
                    for number, merged in enumerate(several):
                        yield from below(merged, path, inside)
                        keys = set() if merged in several[:number] else _keys(merged)
                        if shared := sorted((keys & seen) - own):  # readers of YAML don't agree which one counts
                            raise InputError(f"{where(key)}: '<<' merges '{shared[0]}' twice; write its value here")
                        seen |= keys
                    continue
                shown = ".".join(map(str, (*path, _scalar(key))))
                shown = shown if shown.isprintable() else repr(shown)
                if key.tag != TEXT:
                    raise InputError(f"{where(key)}: {shown}: a key must be text; put it in quotes")
                if key.value in first:
                    line = first[key.value].start_mark.line + 1
                    raise InputError(f"{where(key)}: {shown}: is given twice, first in line {line}")
                first[key.value] = key
                yield (*path, key.value), Place(where(key), _scalar(value))
                yield from below(value, (*path, key.value), inside)

    if root is not None:
        yield from below(root, way, ())


def _keys(node: yaml.Node) -> set[str]:
    """Return the keys of a mapping, with those that it merges."""
    keys: set[str] = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if key.tag == MERGE:
            keys |= set().union(*map(_keys, value.value if isinstance(value, yaml.SequenceNode) else [value]))
        else:
            keys.add(str(_scalar(key)))
    return keys


def _scalar(node: yaml.Node) -> str | None:
    return node.value if isinstance(node, yaml.ScalarNode) else None


def _with_text(value: Any, path: tuple, places: Places, rule: dict, definitions: dict) -> Any:
    """Return a copy of a value in which what the schema's rule has as text is as it was written."""
    if "if" in rule:
        rule = rule["then" if Draft202012Validator(rule["if"]).is_valid(value) else "else"]
    if "$ref" in rule:
        rule = definitions[rule["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        known, chosen = rule.get("properties", {}), rule.get("additionalProperties") or {}
        return {
            key: _with_text(entry, (*path, key), places, known.get(key, chosen), definitions)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [
            _with_text(entry, (*path, index), places, rule.get("items", {}), definitions)
            for index, entry in enumerate(value)
        ]
    types = rule.get("type", [])
    types = [types] if isinstance(types, str) else types
    written = places[path].text if path in places else None
    if type(value) in (int, float) and written and {"integer", "number"} & set(types) and OTHER_BASE.fullmatch(written):
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        raise InputError(f"{where}: YAML takes {written} for {value}; write the number itself")
    is_text = "string" in types
    return written if is_text and not isinstance(value, str | None) and written else value
