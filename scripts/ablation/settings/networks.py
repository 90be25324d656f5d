"""The settings of a network: the arguments of the function `build` in its file, read without running it."""

import ast
from pathlib import Path

from ablation.errors import InputError
from ablation.own_files import is_own, own_path, parse_module

FOLDER = Path(__file__).parents[1] / "training/networks"
TYPES = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}
OF_ENTRIES = ("title", "description", "ablate", "grid")  # keys of an entry of `models` that are no settings
OF_THE_STUDY = {"set_random_seed", "set_seed", "set_dtype_policy", "set_global_policy", "set_floatx"}
FORMS = "int, float, bool, str, Literal['a', 'b'], list[int], tuple[float, float] or tuple[int, ...]"


def network_settings(setting: str, architecture: str, schema: dict) -> dict[str, dict]:
    """Return the rules of the settings that a network has of its own, by name, as a JSON schema has them.

    setting: which one names the architecture, for messages; architecture: a file of the user's, or the name of one in
    the folder of networks. A rule is the schema's where that has one for this architecture, and otherwise follows from
    the annotation and the default of an argument of `build`; those are all but the first two and `images`.

    Raises InputError where the file is not there, has no such function, or an argument can't be a setting.
    """
    path = own_path(setting, architecture, "file") if is_own(architecture) else FOLDER / f"{architecture}.py"
    rules = {}
    for argument, default in _arguments(setting, path):
        rule = schema["$defs"]["settings"]["properties"].get(argument.arg, {})
        networks = rule.get("x-only-with", {}).get("architecture", [])
        if architecture in networks:
            rules[argument.arg] = rule
        elif (rule and not networks) or argument.arg in OF_ENTRIES:
            raise InputError(
                f"{_place(setting, path, argument)}: argument '{argument.arg}' of 'build' has the name of"
                " another setting; give it another one"
            )
        else:
            rules[argument.arg] = _rule(setting, path, argument, default)
    return rules


def _arguments(setting: str, path: Path) -> list[tuple[ast.arg, ast.expr]]:
    """Return the arguments of `build` that are settings, and their defaults."""
    module = parse_module(setting, path)
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and (name := _last_name(node.func)) in OF_THE_STUDY:
            raise InputError(
                f"{_place(setting, path, node)}: '{name}' decides for the whole study, whose settings are seeds and"
                " precision; leave it out"
            )
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "build"]
    if not functions:
        raise InputError(f"{setting}: {path} has no function 'build'")
    if functions[-1].decorator_list:
        raise InputError(
            f"{_place(setting, path, functions[-1])}: 'build' has a decorator, which hides its arguments; leave it out"
        )
    given = functions[-1].args
    positional = [*given.posonlyargs, *given.args]
    if len(positional) < 2:
        raise InputError(
            f"{_place(setting, path, functions[-1])}: the first two arguments of 'build' must be the shape of an image"
            " and the number of classes"
        )
    for argument in filter(None, (given.vararg, given.kwarg)):
        raise InputError(f"{_place(setting, path, argument)}: '*{argument.arg}' of 'build' can't be a setting")
    defaults = [None] * (len(positional) - len(given.defaults)) + given.defaults
    arguments = [*positional[2:], *given.kwonlyargs]
    found = []
    for argument, default in zip(arguments, [*defaults[2:], *given.kw_defaults], strict=True):
        if default is not None and argument.arg == "images":
            raise InputError(
                f"{_place(setting, path, argument)}: argument 'images' of 'build' is the training images; give it no"
                " default, or another name"
            )
        if default is not None:
            found.append((argument, default))
        elif argument.arg != "images":
            raise InputError(f"{_place(setting, path, argument)}: argument '{argument.arg}' of 'build' has no default")
    return found


def _rule(setting: str, path: Path, argument: ast.arg, default: ast.expr) -> dict:
    """Return the rule that an argument's annotation and default make."""
    place = f"{_place(setting, path, argument)}: argument '{argument.arg}' of 'build'"
    rule, of = _type(argument.annotation), {"x-of": f"build in {path.name}", "x-place": place}
    if rule is None:
        raise InputError(f"{place} must be annotated with {FORMS}")
    try:
        value = ast.literal_eval(default)
    except (ValueError, TypeError):
        raise InputError(f"{place}: its default must be a literal, as 3, 'same' or (16, 32)") from None
    value = list(value) if isinstance(value, tuple | list) else value
    if "items" in rule:
        rule["items"] |= of
    return rule | of | {"default": value, "description": f"Argument of build in {path.name}."}


def _type(annotation: ast.expr | None) -> dict | None:
    """Return the rule of a type that is written as one of FORMS; None for another."""
    if isinstance(annotation, ast.Name) and annotation.id in TYPES:
        return {"type": TYPES[annotation.id]}
    if not isinstance(annotation, ast.Subscript):
        return None
    inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    name = _last_name(annotation.value)
    constants = [
        entry.value for entry in inner if isinstance(entry, ast.Constant) and isinstance(entry.value, int | float | str)
    ]
    if not inner:
        return None
    if name == "Literal" and len(constants) == len(inner):
        return {"enum": constants}
    of, *others = (getattr(entry, "id", getattr(entry, "value", None)) for entry in inner)
    if name.lower() not in ("list", "tuple") or of not in TYPES:
        return None
    rule = {"type": "array", "items": {"type": TYPES[of]}}
    if others == [...] or (name.lower() == "list" and not others):
        return rule
    return rule | {"minItems": len(inner), "maxItems": len(inner)} if set(others) <= {of} else None


def _last_name(node: ast.expr) -> str:
    """Return `c` of a.b.c, or the name that a node is; "" for another."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _place(setting: str, path: Path, node: ast.arg | ast.FunctionDef | ast.Call) -> str:
    return f"{setting}: {path}, line {node.lineno}"
