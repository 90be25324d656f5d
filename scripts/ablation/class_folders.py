"""A folder of pictures, a folder per class: which files it is made of."""

import hashlib
import json
import os
from pathlib import Path

from ablation import files
from ablation.errors import InputError

PARTS = {"train", "test"}
IGNORED = {"thumbs.db", "desktop.ini"}  # what Windows leaves in folders; hidden files are ignored as well


def list_pictures(folder: Path) -> list[str]:
    """Return the files of the class folders of a folder, as "class/file" or, with a part each, as "train/class/file".

    The latter where the folder has folders `train` and `test`, and `train` has folders. Hidden files and folders, those
    of IGNORED, and files that are in no class folder are no part of it. Names are sorted; whether the files are
    pictures is not looked at.

    Raises InputError where there is no class, a class without pictures to train on, a folder that belongs nowhere, what
    is no file, or what can't be read.
    """
    try:
        classes, _ = _entries(folder)
        if not set(classes) >= PARTS or not _entries(folder / "train")[0]:
            return _of_classes(folder, classes, "")
        others = sorted(set(classes) - PARTS)
        if others:
            raise InputError(f"{folder}: has '{others[0]}' beside train and test; move it away")
        return [name for part in sorted(PARTS) for name in _of_classes(folder, _entries(folder / part)[0], f"{part}/")]
    except OSError as error:  # not permitted, or a link to itself
        raise InputError(f"{error.filename}: {error.strerror}") from None


def _of_classes(folder: Path, classes: list[str], prefix: str) -> list[str]:
    """Return the files of class folders, `prefix` being the way to them."""
    if not classes:
        raise InputError(f"{folder / prefix}: has no folders; expected one per class, with its pictures")
    found = []
    for name in classes:
        folders, names = _entries(folder / prefix / name)
        if folders:
            raise InputError(
                f"{folder}: '{prefix}{name}/{folders[0]}' is a folder in a class; a class holds pictures"
                " (two folders with classes must be named train and test)"
            )
        if not names and prefix != "test/":
            raise InputError(f"{folder}: '{prefix}{name}' has no pictures; put some in, or delete the folder")
        found += [f"{prefix}{name}/{file}" for file in names]
    return found


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder, sorted. Raises InputError for what is neither."""
    folders, names = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in IGNORED:
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file():
                names.append(entry.name)
            else:
                raise InputError(f"{entry.path!r}: is neither a file nor a folder, or a link to nothing")
    return sorted(folders), sorted(names)


def digest(folder: Path, cache: str | Path | None) -> str:
    """Return a digest of the names and contents of `list_pictures`, remembered as `files.cached_file_digests` does.

    Raises InputError as `list_pictures`, and for a file that can't be read.
    """
    names = list_pictures(folder)
    try:
        contents = files.cached_file_digests([f"{folder}/{name}" for name in names], cache)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    return hashlib.sha256(json.dumps(list(zip(names, contents, strict=True))).encode()).hexdigest()
