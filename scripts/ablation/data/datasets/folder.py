"""A user's own pictures: a folder with a folder of JPEG, PNG, TIFF, BMP or WebP files per class."""

import csv
import re
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ablation.class_folders import list_pictures
from ablation.data.datasets import Dataset, held_out
from ablation.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
MAX_SIDE = 50_000  # pixels; Pillow refuses more than 89 million in all
BACKGROUND = "white"  # under what is transparent
GRAY_16 = {"I;16", "I;16L", "I;16B", "I;16N"}
DRAFT = 4  # JPEG files may be decoded at a fraction of their size that is at least so many times the final one
SHOWN = 3  # names in a message


def read(source: str | Path, seed: int, size: int, groups: str | None = None) -> Dataset:
    """Return the Dataset of the pictures below `source`, each as `read_picture` makes it.

    Classes are the folders, in the order of their names. Pictures to test on are those in `test`, or a sixth of every
    class, which the seed fixes. There is one channel where all pictures are gray, else three.

    size: height and width in pixels; groups: what belongs together, as `read_groups` takes it: no group is both trained
    and tested on.

    Raises InputError for files that are no pictures or broken ones, all in one line; for a class that is only in
    `test`; and as `list_pictures`, `read_groups` and `datasets.held_out` do.
    """
    folder = Path(source)
    names = list_pictures(folder)
    parts = [PurePosixPath(name).parts for name in names]
    images, broken = np.empty((len(names), size, size, 3), np.uint8), {}
    for image, name in zip(images, names, strict=True):
        try:
            image[...] = read_picture(folder / name, size)
        except Exception as error:  # depends on the format, and on where the file is broken
            unknown = isinstance(error, UnidentifiedImageError)
            broken[name] = "no picture" if unknown else " ".join(str(error).split())
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
    numbers = read_groups(groups, names) if groups else None
    if is_split:
        in_test = np.array([part[0] == "test" for part in parts])
        train, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
        only = sorted(set(labels[test]) - set(labels[train]))
        if only:
            raise InputError(f"{folder}: test has a class '{class_names[only[0]]}' that train has no picture of")
        if numbers is not None and (both := sorted(set(numbers[train]) & set(numbers[test]))):
            raise InputError(f"{folder}: {len(both)} groups are in both train and test: {_first(both)}")
    else:
        train, test = held_out(folder, labels, seed, numbers)
    return Dataset(
        x_train=images[train],
        y_train=labels[train],
        x_test=images[test],
        y_test=labels[test],
        class_names=class_names,
        test_files=np.array([_printable(names[index]) for index in test], dtype=str),
        **({} if numbers is None else {"groups": numbers[train]}),
    )


def read_picture(path: Path, size: int) -> np.ndarray:
    """Return a picture as (size, size, 3) uint8.

    The camera's orientation (EXIF) is applied, 16-bit gray divided by 257, and what is transparent put on BACKGROUND.
    The shorter side is then resized to `size`, bicubic with antialiasing, and the center is cropped.

    Raises ValueError and whatever Pillow raises for a file that is no picture, is truncated, or has several frames,
    other pixels, or more than MAX_SIDE pixels on a side or 89 million in all.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"not one of {', '.join(SUFFIXES)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as image:
            if max(image.size) > MAX_SIDE:
                raise ValueError(f"{image.width} x {image.height} pixels; at most {MAX_SIDE:,} on a side")
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":  # a JPEG file with previews in it
                raise ValueError(f"{frames} frames or pages; expected one")
            image.draft(None, (DRAFT * size, DRAFT * size))
            image.load()
            return np.asarray(ImageOps.fit(_as_rgb(ImageOps.exif_transpose(image)), (size, size)))


def _as_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any kind as one of mode RGB."""
    if image.mode in GRAY_16:
        wide = np.asarray(image).astype(np.float32)
        return Image.fromarray(np.rint(wide / 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError("32 bits per pixel; save it with 8 or 16")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, BACKGROUND), over).convert("RGB")
    return image.convert("RGB")


def read_groups(groups: str, names: list[str]) -> np.ndarray:
    """Return the group of each file, (n,) str.

    groups: the path of a CSV file with the columns `file` and `group`, if it ends in .csv; otherwise a regular
    expression, searched in the name of the file without its folders, whose first group is the group.

    Raises InputError for files that have no group, or two.
    """
    found: dict[str, str | None] = {}
    if groups.endswith(".csv"):
        try:
            with open(groups, newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                if not {"file", "group"} <= set(rows.fieldnames or []):
                    raise InputError(f"dataset.groups: {groups}: its first line must name the columns file and group")
                for row in rows:
                    if found.setdefault(row["file"], row["group"]) != row["group"]:
                        raise InputError(f"dataset.groups: {groups}: line {rows.line_num} gives a file a second group")
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"dataset.groups: {groups}: is no CSV file ({error})") from None
    else:
        for name in names:
            match = re.search(groups, PurePosixPath(name).name)
            found[name] = match[1] if match else None
    without = [_printable(name) for name in names if not found.get(name)]
    if without:
        raise InputError(f"dataset.groups: {len(without)} of {len(names)} pictures have no group: {_first(without)}")
    return np.array([found[name] for name in names], dtype=str)


def _first(names: list) -> str:
    """Return the first SHOWN names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more


def _printable(name: str) -> str:
    """Return a file's name as text that can be shown in one line."""
    return name if name.isprintable() else ascii(name)[1:-1]
