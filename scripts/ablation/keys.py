"""Keys: short digests of everything that decides a result.

A result lives in a folder that is named by its key, or is a file that bears its key at its end. So what is on disk says
by itself what it was made from, whatever its name, its time or its neighbors say; and a file cut short says nothing.
"""

import ast
import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ablation import files
from ablation.errors import InputError
from ablation.own_files import parse_module

LIBRARY = Path(__file__).parent
KEY_DIGITS = 16  # hexadecimal, of a SHA-256: enough to tell apart any number of results that a disk can hold
END = 4096  # bytes of a file within which its key stands
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)  # nodes whose body has a docstring
# Modules that change no number: how files are written, settings handed on, results found, GPUs shared, states kept,
# curves logged.
NEUTRAL = {
    "ablation.errors",
    "ablation.files",
    "ablation.keys",
    "ablation.logs",
    "ablation.own_files",
    "ablation.plan",
    "ablation.report.outputs",
    "ablation.settings.networks",
    "ablation.settings.specs",
    "ablation.training.checkpoint",
    "ablation.training.gpus",
    "ablation.training.provenance",
    "ablation.training.tensorboard",
}


def key_of(made_from: dict) -> str:
    """Return the key of a result, KEY_DIGITS hexadecimal digits.

    made_from: everything that decides the result, by name, as JSON has it; the order of its entries means nothing.
    """
    canonical = json.dumps(made_from, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_DIGITS]


def bears(path: Path, key: str | None) -> bool:
    """Tell whether a file bears a key at its end; a file that is absent bears none, and no file bears None."""
    if key is None:
        return False
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - END))
            return key.encode() in file.read()
    except OSError:
        return False


def run_digests(study: dict, results: Path, models: Iterable[str] | None = None) -> dict[str, dict[str, str | None]]:
    """Return digests of the metrics.json of runs, by model and seed (text); None for one to be made again.

    study: as plan.Plan.study; models: whose runs, all by default. A run is to be made again where its metrics.json is
    absent or bears another key than the planned one or was changed since it was written, where a file next to it is
    absent, or where its training was made again since and may have come out with other bits, as on a GPU.
    """
    return {
        model: {seed: _run_digest(study, results, model, seed) for seed in study["evaluations"][model]}
        for model in (study["evaluations"] if models is None else models)
    }


def _run_digest(study: dict, results: Path, model: str, seed: str) -> str | None:
    folder = results / f"runs/{model}/seed{seed}"
    training = results / f"trainings/{study['trainings'][model]}/seed{seed}/training.json"
    try:
        metrics = files.read_record(folder / "metrics.json", key=str, weights_digest=str)
        trained = files.read_record(training, weights_digest=str) if training.exists() else metrics
    except InputError:
        return None
    there = all((folder / name).exists() for name in ("history.csv", "predictions.npz"))
    same = (metrics["key"], metrics["weights_digest"]) == (study["evaluations"][model][seed], trained["weights_digest"])
    return metrics["digest"] if there and same else None


def code_of(*modules: str) -> dict:
    """Return what the code of modules is, as an entry of what a result is made from.

    modules: dotted names in this package. What counts is the syntax, without comments and docstrings, of these and of
    all modules of the package that they import, save those of NEUTRAL.

    Returns {"modules": their names, "syntax": a digest}.
    """
    pending, syntax = list(modules), {}
    while pending:
        name = pending.pop()
        if name not in syntax and name not in NEUTRAL:
            syntax[name], imports = _read(name)
            pending += imports
    return {"modules": list(modules), "syntax": key_of(syntax)}


def code_of_file(setting: str, path: Path) -> str:
    """Return a digest of the code of a user's own Python file.

    setting: which one names the file, for messages. What counts is the syntax, without comments and docstrings, of the
    file, of those next to it that it imports, and of what it imports of this package; not where the file is.

    Raises InputError for a file that is no Python.
    """
    pending, syntax, modules = [Path(path)], {}, set()
    while pending:
        file = pending.pop()
        name = file.relative_to(path.parent).as_posix() if file != path else ""
        if name in syntax:
            continue
        tree = parse_module(setting, file)
        syntax[name] = _syntax(tree)
        package = file.parent.relative_to(path.parent).parts
        for module in _imported(tree, package):
            if module.partition(".")[0] == "ablation":
                modules |= {module} if _file(module) else set()
            else:  # and the packages that it is in
                parts = module.split(".")
                neighbors = (_file_below(path.parent, parts[: number + 1]) for number in range(len(parts)))
                pending += filter(None, neighbors)
    return key_of({"syntax": syntax, "library": code_of(*sorted(modules))})


def check_code(made_from: dict, **own: Path) -> None:
    """Raise InputError where the code on disk is no longer what `made_from` was planned with.

    own: the user's files whose code is in it, by the name of the entry.

    Comes after the import of what computes: code that is edited later is not the code that runs.
    """
    now = {name: code_of_file(name, path) for name, path in own.items()}
    if code_of(*made_from["code"]["modules"]) != made_from["code"] or any(
        made_from.get(name) != now[name] for name in now
    ):
        raise InputError("the code has changed since this job was planned; run snakemake again")


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a digest of a module's syntax, and the names of the modules of this package that it imports."""
    file = _file(name)
    if file is None:
        raise InputError(f"{name}: no such module in {LIBRARY}")
    tree = ast.parse(file.read_bytes())
    imports = {name.rpartition(".")[0]} - {""}  # importing a module runs the packages that it is in
    imports |= {module for module in _imported(tree) if module.partition(".")[0] == "ablation" and _file(module)}
    return hashlib.sha256(_syntax(tree).encode()).hexdigest(), tuple(sorted(imports))


def _imported(tree: ast.AST, package: tuple[str, ...] = ()) -> set[str]:
    """Return the dotted names that a file imports, as modules and from modules; some of the latter are no modules.

    package: the names of the packages that the file is in, to which relative imports refer.
    """
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            names |= {name for name in (module, *(f"{module}.{alias.name}" for alias in node.names)) if name[:1] != "."}
    names.discard("")
    return names


def _file(name: str) -> Path | None:
    """Return the file of a module of this package; None where there is none."""
    return _file_below(LIBRARY, name.split(".")[1:])


def _file_below(folder: Path, parts: list[str]) -> Path | None:
    """Return the file of a module below a folder; None where there is none."""
    path = folder.joinpath(*parts)
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def _syntax(node: Any) -> str:
    """Return the syntax below a node of `ast` as text, the same for every version of Python that can read it.

    Nested lists as `repr` writes them, [type, [field, value], ...] for a node. Fields that are empty are left out,
    since newer versions have more of them (`ast.dump` shows these).
    """
    if isinstance(node, list):
        return f"[{', '.join([_syntax(entry) for entry in node])}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = [repr(type(node).__name__)]
    for name in node._fields:
        value: Any = getattr(node, name, None)
        if name == "body" and isinstance(node, DOCUMENTED) and _is_text(value[:1]):
            value = value[1:]  # without the docstring
        if value not in (None, []):
            parts.append(f"['{name}', {_syntax(value)}]")
    return f"[{', '.join(parts)}]"


def _is_text(body: list) -> bool:
    """Tell whether a body of one statement is a text, as a docstring is."""
    match body:
        case [ast.Expr(value=ast.Constant(value=str()))]:
            return True
    return False
