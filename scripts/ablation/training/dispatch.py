"""What is found by the name that a setting gives: a file with a function `build`, or a class of Keras's."""

import importlib
import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from ablation.errors import InputError, suggestion


def import_choice(package: str, setting: str, name: str) -> ModuleType:
    """Import the module `name` of a package of this library.

    package: dotted, as ablation.training.networks; setting: which one names the module, for the message.

    Raises InputError with the nearest names where the package has no such module with a function `build`.
    """
    folder = Path(importlib.util.find_spec(package).origin).parent  # type: ignore[union-attr, arg-type]
    names = sorted(path.stem for path in folder.glob("*.py") if "\ndef build(" in path.read_text(encoding="utf-8"))
    if name not in names:
        raise InputError(f"{setting}: there is no '{name}'; {suggestion(name, names)}")
    return importlib.import_module(f"{package}.{name}")


def keras_object(package: ModuleType, setting: str, described: dict[str, Any], **given: Any) -> Any:
    """Return an object of the class of a Keras package whose name is described["name"] in snake_case.

    described: its other entries are arguments of the class; given: further ones. setting: what describes it, for
    messages.

    Raises InputError where there is no such class, and for what it refuses.
    """
    arguments = {key: value for key, value in (described | given).items() if key != "name"}
    classes = {key.lower(): value for key, value in vars(package).items() if inspect.isclass(value)}
    try:
        return classes[described["name"].replace("_", "")](**arguments)
    except (KeyError, TypeError, ValueError) as error:
        message = " ".join(str(error).split())
        raise InputError(f"{setting}: {described['name']}: {message}") from None
