"""A user's own pictures: a folder with a folder of JPEG, PNG, TIFF, BMP or WebP files per class."""

import csv
import re
from pathlib import Path, PurePosixPath

import numpy as np

from ablation.class_folders import list_pictures
from ablation.data.datasets import Dataset, held_out
from ablation.data.pictures import SUFFIXES, read_picture
from ablation.errors import InputError

SHOWN = 3  # names in a message


def read(source: str | Path, seed: int, size: int, groups: str | None = None) -> Dataset:
    """Return the Dataset of the pictures below `source`, each as `read_picture` makes it.

    Classes are the folders, in the order of their names. Pictures to test on are those in `test`, or a sixth of every
    class, which the seed fixes. There is one channel where all pictures are gray, else three.

    size: height and width in pixels; groups: what belongs together, as `read_groups` takes it: no group is both trained
    and tested on.

    Raises InputError for files that are no pictures, are broken or have another suffix than SUFFIXES, all in one line;
    for a class that is only in `train` or only in `test`; and as `list_pictures`, `read_groups` and `datasets.held_out`
    do.
    """
    folder = Path(source)
    names = list_pictures(folder)
    parts = [PurePosixPath(name).parts for name in names]
    images, broken = np.empty((len(names), size, size, 3), np.uint8), {}
    for image, name in zip(images, names, strict=True):
        try:
            if Path(name).suffix.lower() not in SUFFIXES:
                raise InputError("has no suffix such as .jpg or .png; rename it")
            image[...] = read_picture(folder / name, (size, size), 3)
        except InputError as error:
            broken[name] = str(error).removeprefix(f"{folder / name}: ")
    if broken:
        shown = [f"{_printable(name)} ({reason})" for name, reason in broken.items()]
        raise InputError(
            f"{folder}: {len(broken)} of {len(names)} files can't be read as pictures: {_first(shown)};"
            " delete them or move them out of the folder"
        )
    if (images == images[..., :1]).all():
        images = images[..., :1].copy()

    is_split = bool(parts) and len(parts[0]) == 3
    class_names, labels = np.unique([part[-2] for part in parts], return_inverse=True)
    files = np.array([_printable(name) for name in names], dtype=str)
    numbers = read_groups(groups, names) if groups else None
    if is_split:
        in_test = np.array([part[0] == "test" for part in parts])
        train, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
        classes = {"train": set(labels[train]), "test": set(labels[test])}
        for part, other in (("test", "train"), ("train", "test")):
            if only := sorted(classes[part] - classes[other]):
                name = class_names[only[0]]
                raise InputError(f"{folder}: {part} has a class '{name}' that {other} has no picture of")
        if numbers is not None and (both := sorted(set(numbers[train]) & set(numbers[test]))):
            raise InputError(f"{folder}: {len(both)} groups are in both train and test: {_first(both)}")
    else:
        train, test = held_out(folder, labels, class_names, seed, numbers)
    return Dataset(
        x_train=images[train],
        y_train=labels[train],
        x_test=images[test],
        y_test=labels[test],
        class_names=class_names,
        train_files=files[train],
        test_files=files[test],
        **({} if numbers is None else {"groups": numbers[train]}),
    )


def read_groups(groups: str, names: list[str]) -> np.ndarray:
    """Return the group of each file, (n,) str.

    groups: the path of a CSV file with the columns `file` and `group`, if it ends in .csv; otherwise a regular
    expression, searched in the name of the file without its folders, whose first group is the group.

    Raises InputError for files that have no group, or two, and where all are in one.
    """
    found: dict[str, str | None] = {}
    if groups.endswith(".csv"):
        try:
            with open(groups, newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                if not {"file", "group"} <= set(rows.fieldnames or []):
                    raise InputError(f"dataset.groups: {groups}: its first line must name the columns file and group")
                for row in rows:
                    if "\0" in (row["group"] or ""):  # which an array of texts can't hold at an end
                        raise InputError(f"dataset.groups: {groups}: line {rows.line_num} has a NUL")
                    if found.setdefault(row["file"], row["group"]) != row["group"]:
                        raise InputError(f"dataset.groups: {groups}: line {rows.line_num} gives a file a second group")
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"dataset.groups: {groups}: is no CSV file ({error})") from None
    else:
        for name in names:
            match = re.search(groups, PurePosixPath(name).name)
            found[name] = match[1] if match else None
    without = [_printable(name) for name in names if not found.get(name)]
    if len(without) == len(names) and found.keys().isdisjoint(names):
        raise InputError(
            f"dataset.groups: {groups}: none of its {len(found)} rows is of a picture; `file` is as in"
            f" '{_printable(names[0])}'"
        )
    if without:
        raise InputError(
            f"dataset.groups: {groups} gives {len(without)} of {len(names)} pictures no group: {_first(without)};"
            " every picture needs one"
        )
    numbers = np.array([found[name] for name in names], dtype=str)
    if len(set(numbers)) == 1:
        raise InputError(f"dataset.groups: {groups} gives all {len(names)} pictures one group, '{numbers[0]}'")
    return numbers


def _first(names: list) -> str:
    """Return the first SHOWN names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more


def _printable(name: str) -> str:
    """Return a file's name as text that can be shown in one line."""
    return name if name.isprintable() else ascii(name)[1:-1]
