"""Modules that are found by the name that a setting gives: a file each, with a function `build`."""

import difflib
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from ablation.errors import InputError


def import_choice(package: str, setting: str, name: str) -> ModuleType:
    """Import the module `name` of a package of this library.

    package: dotted, as ablation.training.networks; setting: which one names the module, for the message.

    Raises InputError with the nearest names where the package has no such module with a function `build`.
    """
    folder = Path(importlib.util.find_spec(package).origin).parent  # type: ignore[union-attr, arg-type]
    names = sorted(path.stem for path in folder.glob("*.py") if "\ndef build(" in path.read_text(encoding="utf-8"))
    if name not in names:
        nearest = difflib.get_close_matches(name, names) or names
        raise InputError(f"{setting}: there is no '{name}'; did you mean {' or '.join(nearest)}?")
    return importlib.import_module(f"{package}.{name}")
