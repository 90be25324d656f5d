"""Mutated files and configs, for FUZZ_SECONDS (60) in all: refused in one line, or read and right; by FUZZ_SEED."""

import gzip
import io
import json
import os
import pickle
import random
import tarfile
import time

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from ablation import files
from ablation.data import cifar, datasets, idx, pictures
from ablation.data.datasets import folder
from ablation.errors import InputError
from ablation.keys import key_of
from ablation.report.study import Study, read_table
from ablation.settings import check, specs, text, words
from conftest import ROOT

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("FUZZ_SECONDS", 60))
SEED = int(os.environ.get("FUZZ_SEED", 1))
TOKENS = [
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ",",
        "- ",
        "&a ",
        "*a",
        "<<: *a",
        "!!int ",
        "!!python/object:os.system ",
        "\t",
        "\n",
    ),
    *(
        '"',
        "'",
        "|",
        "#",
        "---\n",
        "~",
        "null",
        "yes",
        "no",
        "010",
        "1:30",
        ".nan",
        "-.inf",
        "1e400",
        "1e-400",
        "1e-42",
    ),
    *("-1", "0", "1", "2147483648", "9" * 400, "0x10", "2026-02-30", "\ufeff", "\x00", "\u2028", "é", "zca", "model2"),
    *("models", "grid", "ablate", "of", "all", "name", "adam", "cosine_decay", "my/network.py", "\r\n", "  "),
]


def changed_bytes(rng, content):
    """Return bytes with one to four changes: bits, bytes, parts cut out, repeated, moved or overwritten."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        match rng.randrange(7):
            case 0 if content:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            case 1 if content:
                content[rng.randrange(len(content))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
            case 2:
                del content[at:]
            case 3:
                del content[at : min(end, at + rng.choice([1, 8, 512]))]
            case 4:
                content[at:at] = content[at : min(end, at + 64)]
            case 5:
                content[at:at] = rng.randbytes(rng.choice([1, 4, 64]))
            case 6:
                size = min(4, len(content) - at)
                content[at : at + size] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])[:size]
    return bytes(content)


def changed_text(rng, content):
    """Return text with one to four changes: characters, tokens of YAML and JSON, and lines."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        lines = content.splitlines(keepends=True) or [""]
        line = rng.randrange(len(lines))
        match rng.randrange(7):
            case 0:
                content = content[:at] + rng.choice(TOKENS) + content[at:]
            case 1:
                content = content[:at] + content[at + 1 :]
            case 2:
                content = (
                    content[:at] + chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x3000)])) + content[at + 1 :]
                )
            case 3:
                content = "".join(lines[:line] + lines[line + 1 :])
            case 4:
                content = "".join([*lines, lines[line]])
            case 5:
                name, colon, _ = lines[line].partition(": ")
                lines[line] = f"{name}{colon or ': '}{rng.choice(TOKENS)}\n"
                content = "".join(lines)
            case 6:
                content = content[:at]
    return content


def changed_array(rng, array):
    """Return an array of another shape, dtype or content; or as it is."""
    other = [array, array[:-1], array.astype("U3"), array.ravel(), array[..., None]]
    if array.dtype.kind != "U":
        other += [array.astype("int16"), array.astype("float64"), array.astype("int64") - 1, array.astype("int64") + 1]
    return rng.choice(other)


class Target:
    """What is fuzzed: `mutate(rng)` writes an input, `read()` reads it and asserts that what is accepted is right."""

    def __init__(self, path):
        self.path = path


class Config(Target):
    """The config, through what the workflow calls for it; some of the changes are of a second config file."""

    def __init__(self, path):
        super().__init__(path)
        os.chdir(path)
        self.shipped = [file.read_text() for file in [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]]
        self.schema = specs.load_schema()

    def mutate(self, rng):
        second = rng.choice([None, *self.shipped])
        first = rng.choice(self.shipped) if second is None else self.shipped[0]
        changed = changed_text(rng, first if second is None else second)
        contents = [changed] if second is None else [first, changed]
        self.names = [f"{number}.yaml" for number in range(len(contents))]
        for name, content in zip(self.names, contents, strict=True):
            (self.path / name).write_bytes(content.encode("utf-8", "surrogatepass"))

    def read(self):
        places, config = text.read_places(self.names, []), {}
        for name in self.names:
            update_config(config, load_configfile(name))
        try:
            complete = check.validate_and_fill(text.as_written(config, places, self.schema), self.schema)
        except InputError as error:
            raise InputError(text.located(error, places)) from None
        minimal = yaml.safe_load(yaml.safe_dump(words.minimal_config(complete), sort_keys=False))
        again = check.validate_and_fill(minimal, self.schema)
        assert list(again["models"]) == list(complete["models"])
        for name in complete["models"]:
            spec = specs.model_spec(complete, name)
            assert 1 <= spec.epochs <= 100_000
            assert 1 <= spec.batch_size <= 1_000_000
            assert 0 <= spec.validation_split < 1
            keys = [key_of(specs.key_settings(one, name, self.schema)) for one in (complete, again)]
            assert keys[0] == keys[1]


class Npz(Target):
    """An npz of ours, which `read_npz` reads as it was or not at all."""

    def __init__(self, path):
        super().__init__(path / "a.npz")
        rng = np.random.default_rng(0)
        self.arrays = {
            "x": rng.integers(0, 255, (5, 4, 4, 3), np.uint8),
            "y": np.arange(5),
            "names": np.array(["a", "bé"]),
        }
        files.write_npz(self.path, **self.arrays)
        self.intact = self.path.read_bytes()

    def mutate(self, rng):
        self.path.write_bytes(changed_bytes(rng, self.intact))

    def read(self):
        for found, expected in zip(files.read_npz(self.path, *self.arrays), self.arrays.values(), strict=True):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            np.testing.assert_array_equal(found, expected)


class OwnNpz(Target):
    """A user's npz: whatever arrays it holds, a data set that is accepted keeps the promises of `Dataset`."""

    def __init__(self, path):
        super().__init__(path / "own.npz")
        rng = np.random.default_rng(0)
        labels = np.repeat(np.arange(3), 12)
        images = rng.integers(0, 255, (36, 16, 16, 3), np.uint8)
        self.arrays = {"images": images, "labels": labels, "class_names": np.array(["a", "b", "c"])}
        self.arrays |= {"test_images": images, "test_labels": labels}

    def mutate(self, rng):
        arrays = {
            name: changed_array(rng, array) if rng.random() < 0.3 else array for name, array in self.arrays.items()
        }
        for name in list(arrays):
            if rng.random() < 0.1:
                del arrays[name]
        np.savez(self.path, **arrays)
        if rng.random() < 0.3:
            self.path.write_bytes(changed_bytes(rng, self.path.read_bytes()))

    def read(self):
        is_dataset(datasets.read_dataset("npz", self.path, 0))


def is_dataset(dataset):
    classes = len(dataset.class_names)
    assert dataset.class_names.dtype.kind == "U"
    for images, labels in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        assert images.dtype == np.uint8
        assert images.ndim == 4
        assert images.shape[3] in (1, 3)
        assert labels.dtype == np.int64
        assert labels.shape == images.shape[:1]
        assert len(labels) > 0
        assert (labels >= 0).all()
        assert (labels < classes).all()


class Archive(Target):
    """An archive in the form of CIFAR-10's: its gzip, its tar or one of its pickles changed."""

    def __init__(self, path):
        super().__init__(path / "a.tar.gz")
        rng = np.random.default_rng(0)
        self.members = {
            name: pickle.dumps(
                {b"data": rng.integers(0, 255, (4, 3072), np.uint8), b"labels": [0, 1, 2, 1]}, protocol=4
            )
            for name in ("train", "test")
        } | {"meta": pickle.dumps({b"label_names": [b"a", b"b", b"c"]}, protocol=4)}
        self.arguments = (["train"], "test", "meta", b"labels", b"label_names", 3)
        self._write(self.members)
        self.expected = cifar.read_archive(self.path, *self.arguments)

    def _write(self, members):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self.tar = buffer.getvalue()
        self.path.write_bytes(gzip.compress(self.tar, 1))

    def mutate(self, rng):
        self._write(self.members)
        self.is_same = False
        match rng.randrange(3):
            case 0:
                self.is_same = True  # gzip has a checksum: the same content, or none
                self.path.write_bytes(changed_bytes(rng, self.path.read_bytes()))
            case 1:
                self.path.write_bytes(gzip.compress(changed_bytes(rng, self.tar), 1))
            case 2:
                name = rng.choice(list(self.members))
                self._write(self.members | {name: changed_bytes(rng, self.members[name])})

    def read(self):
        found = cifar.read_archive(self.path, *self.arguments)
        is_dataset(found)
        if self.is_same:
            np.testing.assert_array_equal(found.x_train, self.expected.x_train)
            np.testing.assert_array_equal(found.y_test, self.expected.y_test)


class Idx(Target):
    """A gzipped IDX file, its gzip or its content changed."""

    def __init__(self, path):
        super().__init__(path / "a.gz")
        self.content = bytes([0, 0, 8, 3]) + np.array([3, 4, 5], ">u4").tobytes() + bytes(range(60))
        self.expected = np.frombuffer(self.content[16:], np.uint8).reshape(3, 4, 5)

    def mutate(self, rng):
        self.is_same = rng.random() < 0.5
        packed = gzip.compress(self.content if self.is_same else changed_bytes(rng, self.content))
        self.path.write_bytes(changed_bytes(rng, packed) if self.is_same else packed)

    def read(self):
        found = idx.read_idx(self.path, 3)
        assert (found.dtype, found.ndim) == (np.uint8, 3)
        if self.is_same:
            np.testing.assert_array_equal(found, self.expected)


class Pictures(Target):
    """A picture in each format that is read, and in one that isn't."""

    def __init__(self, path):
        super().__init__(path / "a")
        pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 4), np.uint8)
        self.contents = []
        for form in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"):
            for mode in ("RGB", "L", "P", "RGBA"):
                if form in {"RGBA": ("PNG", "WEBP", "TIFF"), "P": ("PNG", "TIFF", "BMP", "GIF")}.get(mode, (form,)):
                    buffer = io.BytesIO()
                    Image.fromarray(pixels).convert(mode).save(buffer, form)
                    self.contents.append(buffer.getvalue())

    def mutate(self, rng):
        self.path.write_bytes(changed_bytes(rng, rng.choice(self.contents)))

    def read(self):
        found = pictures.read_picture(self.path, (16, 16), 3)
        assert (found.dtype, found.shape) == (np.uint8, (16, 16, 3))


class Groups(Target):
    """The CSV file of dataset.groups."""

    NAMES = ("a/1.png", "a/2.png", "b/é, x.png")

    def __init__(self, path):
        super().__init__(path / "groups.csv")
        self.content = 'file,group\na/1.png,p1\na/2.png,p1\n"b/é, x.png",p2\n'.encode()

    def mutate(self, rng):
        self.path.write_bytes(changed_bytes(rng, self.content))

    def read(self):
        found = folder.read_groups(str(self.path), list(self.NAMES))
        assert found.shape == (3,)
        assert found.dtype.kind == "U"
        assert (found != "").all()


class Record(Target):
    """metrics.json, whose digest tells every change of its content."""

    def __init__(self, path):
        super().__init__(path / "metrics.json")
        self.record = {"key": "0123456789abcdef", "test_accuracy": 0.8125, "seconds": [1.5, None], "spec": {"é": True}}
        files.write_record(self.path, self.record)
        self.intact = self.path.read_bytes()

    def mutate(self, rng):
        content = changed_bytes(rng, self.intact)
        if rng.random() < 0.5:
            content = changed_text(rng, self.intact.decode()).encode("utf-8", "surrogatepass")
        self.path.write_bytes(content)

    def read(self):
        found = files.read_record(self.path, key=str, spec=dict)
        assert {key: value for key, value in found.items() if key != "digest"} == self.record


class StudyJson(Record):
    """study.json, whose key tells every change of its content."""

    def __init__(self, path):
        super().__init__(path)
        facts = {"report_on": "test", "models": {"a": {}}, "seeds": [1], "baseline": "a"}
        study = {"facts": facts, "evaluations": {"a": {"1": "x"}}}
        self.record = study | {"key": key_of(study)}
        files.write_json(self.path, self.record)
        self.intact = self.path.read_bytes()

    def read(self):
        assert Study.read(self.path)._study == self.record


class Table(Target):
    """accuracy.csv: what isn't compared with its digest, as here, is at least a table."""

    def __init__(self, path):
        super().__init__(path / "accuracy.csv")
        self.content = b'model,accuracy,changes,low\na,0.5,"flip random; decay 0",\nb,0.25,,0.125\n'

    def mutate(self, rng):
        self.path.write_bytes(changed_bytes(rng, self.content))

    def read(self):
        assert isinstance(read_table(self.path), pd.DataFrame)
        files.read_csv(self.path, "model", "accuracy")


class Json(Target):
    """An object with entries of certain types."""

    def __init__(self, path):
        super().__init__(path / "a.json")
        self.content = json.dumps({"optimizer": {"a": [1, 2.5]}, "schedule": {}, "n": -1}, indent=1)

    def mutate(self, rng):
        self.path.write_bytes(changed_text(rng, self.content).encode("utf-8", "surrogatepass"))

    def read(self):
        found = files.read_json(self.path, optimizer=dict, schedule=dict)
        assert isinstance(found["optimizer"], dict)
        json.dumps(found, allow_nan=False)


# Each with its part of the time.
TARGETS = {
    Config: 5,
    Npz: 2,
    OwnNpz: 2,
    Archive: 3,
    Idx: 1,
    Pictures: 3,
    Groups: 1,
    Record: 1,
    StudyJson: 1,
    Table: 2,
    Json: 1,
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_what_is_broken_is_refused_in_one_line_and_what_is_accepted_is_right(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    fuzzed = target(tmp_path)
    end, refused, accepted = time.monotonic() + SECONDS * TARGETS[target] / sum(TARGETS.values()), 0, 0
    while time.monotonic() < end:
        number = refused + accepted
        fuzzed.mutate(random.Random(f"{SEED} {number}"))
        try:
            fuzzed.read()
            accepted += 1
        except InputError as error:
            assert "\n" not in str(error), f"seed {SEED}, input {number}"
            refused += 1
        except BaseException as error:
            error.add_note(f"{target.__name__}: seed {SEED}, input {number}")
            raise
    print(
        f"\n{target.__name__}: {refused + accepted:,} inputs, {refused:,} refused, {accepted:,} accepted; seed {SEED}"
    )
