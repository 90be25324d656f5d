"""What a user names in the config: files and folders of their own, and Python of their own."""

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ablation.errors import InputError

ESCAPES = r"\x1b\[\d*m"  # with which Keras makes text bold
RAISED = (Exception, SystemExit)  # what a user's code can raise, but for Ctrl-C


def own_path(setting: str, given: str, kind: str) -> Path:
    """Return the absolute path of a user's file or folder; `~` is their home.

    setting: which one gives it, for messages; kind: "file" or "folder".

    Raises InputError for a path that is not there, is of the other kind, can't be read, or can't be one that programs
    and Snakemake take: `{x}` is a wildcard in its paths, `<x>` a variable.
    """
    try:
        path = Path(given).expanduser().absolute()
        link = path.is_symlink()
        there, is_file, is_folder = path.exists(), path.is_file(), path.is_dir()
    except (OSError, ValueError, RuntimeError) as error:  # too long; a NUL; no such user
        raise InputError(f"{setting}: {given[:80]!r} can't be a path ({getattr(error, 'strerror', error)})") from None
    if not there:
        raise InputError(f"{setting}: no such {kind} '{given}'" + (", but a link to nothing" if link else ""))
    if not (is_file if kind == "file" else is_folder):
        what = f"a {'file' if is_file else 'folder'}, and not a {kind}"
        raise InputError(f"{setting}: '{given}' is {what if is_file or is_folder else 'neither a file nor a folder'}")
    if path.name.startswith("-"):
        raise InputError(f"{setting}: '{given}' begins with -, which programs take for an option; rename it")
    if re.search("[{}<>]", str(path)):
        raise InputError(f"{setting}: '{path}' has one of {{}}<> in it, which mean something to Snakemake; rename it")
    if not os.access(path, os.R_OK | (os.X_OK if kind == "folder" else 0)):
        raise InputError(f"{setting}: '{given}' can't be read; permission denied")
    return path


def is_own(name: object) -> bool:
    """Tell whether a name in the config is that of a Python file of the user's, rather than of a module of ours."""
    return isinstance(name, str) and name.endswith(".py")


def parse_module(setting: str, path: Path) -> ast.Module:
    """Return the syntax of a user's Python file, which is not run.

    Raises InputError, with file and line, where it is no Python.
    """
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        raise InputError(
            f"{setting}: {path}, line {getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}"
        ) from None


def load_module(setting: str, path: Path, function: str) -> ModuleType:
    """Import a user's Python file and return it as a module, which has a function of the name `function`.

    Files next to it can be imported by it, at its top. Raises InputError of one line, with file and line, for
    what goes wrong.
    """
    name = f"own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{setting}: '{path}' is not a Python file; its name must end in .py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # it is as old as the file to the second
    try:
        with own_code(setting, path):
            spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = write_bytecode
    if not callable(getattr(module, function, None)):
        raise InputError(f"{setting}: {path} has no function '{function}'")
    return module


@contextmanager
def own_code(setting: str, path: Path, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise InputError of one line, with file and line, for what a user's code raises.

    setting: which one gives the file, `path`, for messages; but: what is left as it is.
    """
    try:
        yield
    except but:
        raise
    except RAISED as error:
        raise InputError(f"{setting}: {describe_error(path, error)}") from None


def describe_error(path: Path, error: BaseException) -> str:
    """Return file, line and message of what a user's own code raised, in one line; no line where it is not in the file.

    An error while TensorFlow traces a function has the places in its message, and the arguments of the layer behind it.
    """
    lines, trace = [getattr(error, "lineno", None)], error.__traceback__
    while trace:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    message = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    places = re.findall(r'File "(.*)", line (\d+), in .*\n', message)
    if places:
        lines += [int(line) for file, line in places if Path(file) == path]
        message = re.split(r'File ".*", line \d+, in .*\n', message)[-1]
        message = message.partition("Arguments received by")[0].partition("\n\n")[2] or message
    place = f"{path}, line {lines[-1]}" if lines[-1] else str(path)
    return f"{place}: {' '.join(re.sub(ESCAPES, '', message).split())}"
