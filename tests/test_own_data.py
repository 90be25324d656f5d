"""Data sets from files in the official formats, and arrays from a user's own Python file."""

import gzip
import os
import pickle
import re
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from ablation import sources
from ablation.data import datasets
from ablation.errors import InputError
from ablation.plan import Plan
from ablation.settings import check

PARTS = {"train": 40, "t10k": 20}


def idx(array):
    """An array of uint8 as the bytes of an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def packed(content):
    """Bytes as gzip has them, the same at any time."""
    return gzip.compress(content, mtime=0)


@pytest.fixture
def mnist(tmp_path):
    """A folder with four small files of MNIST's format: image n has the pixels n, n + 1, ... and the label n % 10."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, n in PARTS.items():
        images = (np.arange(28 * 28) + np.arange(n)[:, None]).astype(np.uint8).reshape(n, 28, 28)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx((np.arange(n) % 10).astype(np.uint8))))
    return folder


def read(name, source):
    return datasets.read_dataset(name, source, 0)


def refused(message, function, *arguments, **settings):
    with pytest.raises(InputError, match=message) as caught:
        function(*arguments, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_come_in_order(mnist, name):
    dataset = read(name, mnist)
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((40, 28, 28, 1), (20, 28, 28, 1))
    assert dataset.x_train[3, 0, :4, 0].tolist() == [3, 4, 5, 6]
    assert dataset.x_train[3, 1, 0, 0] == 31
    assert dataset.y_test.tolist() == [n % 10 for n in range(20)]
    names = {  # of Fashion-MNIST in the order of its README
        "mnist": "0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "fashion_mnist": "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot",
    }
    assert ", ".join(dataset.class_names) == names[name]


def test_an_npz_that_numpy_does_not_read_is_one_line_with_what_is_needed(tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("no npz")
    refused("a.npz: .*; dataset.path needs one that numpy.load can read$", read, "npz", path)
    np.savez(path, x_train=np.array([{}], dtype=object))
    refused("a.npz: .*; dataset.path needs one that numpy.load can read$", read, "npz", path)


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
PIXELS = np.zeros((40, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, b"<html>", "truncated or corrupt gzip file"),
        (IMAGES, packed(idx(PIXELS))[:-9], "truncated or corrupt gzip file"),
        (IMAGES, packed(b""), "is no IDX file of bytes with 3 axes"),
        (IMAGES, packed(idx(PIXELS[0])), "is no IDX file of bytes with 3 axes"),
        (IMAGES, packed(idx(PIXELS)[:-1]), "its header says 40 x 28 x 28, and it has 31375 bytes"),
        (IMAGES, packed(bytes([0, 0, 8, 3]) + b"\xff" * 12), "its header says 4294967295 x 4294967295 x"),
        (LABELS, packed(idx(np.zeros(39, np.uint8))), "has 39 labels, train-images-idx3-ubyte.gz 40 images"),
        (LABELS, packed(idx(np.full(40, 10, np.uint8))), "has a label 10; expected 0 to 9"),
        (LABELS, None, "train-labels-idx1-ubyte.gz: no such file"),
    ],
)
def test_wrong_idx_files_are_one_line(mnist, name, content, message):
    (mnist / name).unlink()
    if content is not None:
        (mnist / name).write_bytes(content)
    refused(message, read, "mnist", mnist)


def write_cifar100(path, meta_names=100):
    def batch(n):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 3072), dtype=np.uint8)
        labels = [number % 100 for number in range(n)]
        return {b"data": pixels, b"fine_labels": labels, b"coarse_labels": [0] * n, b"filenames": [b"x.png"] * n}

    names = {b"fine_label_names": [b"name%d" % n for n in range(meta_names)], b"coarse_label_names": [b"all"]}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"train": batch(200), "test": batch(100), "meta": names}.items():
            data = pickle.dumps(content, protocol=4)
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    return path


def test_cifar100_has_its_fine_labels(tmp_path):
    dataset = read("cifar100", write_cifar100(tmp_path / "a.tar.gz"))
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((200, 32, 32, 3), (100, 32, 32, 3))
    assert dataset.y_test.tolist() == list(range(100))
    assert dataset.class_names[42] == "name42"
    refused(
        "has no list 'fine_label_names' of 100 names",
        read,
        "cifar100",
        write_cifar100(tmp_path / "b.tar.gz", meta_names=20),
    )
    refused("has no 'cifar-10-batches-py/batches.meta'", read, "cifar10", tmp_path / "a.tar.gz")


def planned(schema, tmp_path, **sections):
    config = check.validate_and_fill({"models": {"a": {}}} | sections, schema)
    return Plan(config, schema, tmp_path / "results", tmp_path / "digests.json")


def test_four_files_are_downloaded_or_given(schema, tmp_path, mnist):
    plan = planned(schema, tmp_path, dataset={"name": "mnist"})
    assert list(plan.source.downloads) == [f"data/mnist/{name}" for name in sources.OFFICIAL["mnist"].files]
    assert f"--source={tmp_path}/results/data/mnist" in plan.arguments_of_prepare()
    own = planned(schema, tmp_path, dataset={"name": "mnist", "archive": str(mnist)})
    assert (own.source.downloads, own.source.path) == ({}, mnist)
    assert own.images_path != plan.images_path
    for name in LABELS, "t10k-images-idx3-ubyte.gz":
        assert f"{name} has the SHA-256 {own.source.digest[name]}" in own.source.warning
    assert own.study["facts"]["source_warning"] == own.source.warning
    assert f"--warning={own.source.warning}" in own.arguments_of_prepare()
    assert plan.source.warning is plan.study["facts"]["source_warning"] is None
    (mnist / LABELS).unlink()
    refused(
        "has no file 'train-labels-idx1-ubyte.gz'",
        planned,
        schema,
        tmp_path,
        dataset={"name": "mnist", "archive": str(mnist)},
    )


def test_other_sums_than_the_official_ones_are_a_warning(schema, tmp_path):
    """Of an archive of one's own, and of a download whose sum is set; none where both are the official ones."""
    path = write_cifar100(tmp_path / "a.tar.gz")
    own = planned(schema, tmp_path, dataset={"name": "cifar100", "archive": str(path)})
    digest = own.source.digest
    warning = f"not the official cifar100: cifar-100-python.tar.gz has the SHA-256 {digest}"
    assert own.source.warning == warning
    loaded = planned(schema, tmp_path, dataset={"name": "cifar100"}, download={"sha256": digest})
    assert loaded.source.warning == warning
    assert planned(schema, tmp_path, dataset={"name": "cifar100"}).source.warning is None
    assert planned(schema, tmp_path, dataset={"name": "digits"}).source.warning is None


def test_every_official_file_has_a_sum_and_two_addresses():
    for official in sources.OFFICIAL.values():
        assert len(official.mirrors) >= 2
        for name, sha256 in official.files.items():
            assert name.endswith(".gz")
            assert len(bytes.fromhex(sha256)) == 32


def test_a_sum_of_several_files_cannot_be_given(schema, tmp_path):
    for name in ("mnist", "digits"):
        dataset, download = {"name": name}, {"sha256": "0" * 64}
        refused(
            "download.sha256: applies only to data sets of one",
            planned,
            schema,
            tmp_path,
            dataset=dataset,
            download=download,
        )


def test_settings_of_a_folder_enter_the_key(schema, tmp_path):
    (tmp_path / "photos/cat").mkdir(parents=True)
    (tmp_path / "photos/cat/1.png").write_bytes(b"x")
    csv = tmp_path / "groups.csv"

    def images(models=None, **settings):
        dataset = {"name": "folder", "path": str(tmp_path / "photos"), **settings}
        return planned(schema, tmp_path, dataset=dataset, models=models or {"a": {}}).images_path

    csv.write_text("file,group\ncat/1.png,a\n")
    other_split = {"a": {"validation_split": 0.2}}
    paths = [images(), images(size=48), images(groups="(a)"), images(groups="(b)"), images(groups=str(csv))]
    paths.append(images(other_split, groups="(a)"))
    assert len(set(paths)) == len(paths)
    assert images(other_split) == images()
    csv.write_text("file,group\ncat/1.png,b\n")
    assert images(groups=str(csv)) not in paths
    refused("dataset.groups: '\\(' is no regular expression, nor a .csv file", images, groups="(")
    refused("dataset.groups: 'a' captures nothing; put what names the group in parentheses", images, groups="a")
    refused("dataset.groups: no such file 'nowhere.csv'", images, groups="nowhere.csv")
    by_seed = {"a": {"validation_images": "by_seed"}}
    refused("models.a.validation_images: must be last if dataset.groups is set", images, by_seed, groups="(a)")


@pytest.mark.parametrize("path", ["~no-such-user/x", "a" * 300, "\0", "nowhere"])
def test_a_path_that_can_not_be_is_one_line(schema, tmp_path, path):
    for name in ("folder", "python", "npz"):
        refused("dataset.path: ", planned, schema, tmp_path, dataset={"name": name, "path": path})
    refused("dataset.archive: ", planned, schema, tmp_path, dataset={"name": "mnist", "archive": path})


def test_a_folder_where_a_file_belongs(schema, tmp_path):
    (tmp_path / "a.py").touch()
    for name, path in (("folder", "a.py"), ("npz", "."), ("python", ".")):
        dataset = {"name": name, "path": str(tmp_path / path)}
        refused("dataset.path: .*, and not a", planned, schema, tmp_path, dataset=dataset)


GOOD = """import numpy as np
from neighbor import N

def read(seed):
    rng = np.random.default_rng(seed)
    return {"images": rng.integers(0, 256, (N, 16, 16), dtype=np.uint8), "labels": np.arange(N) % 2}
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "neighbor.py").write_text("N = 24\n")
    (tmp_path / "own.py").write_text(GOOD)
    return tmp_path / "own.py"


def test_a_python_file_returns_arrays(own):
    dataset = read("python", own)
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((20, 16, 16, 1), (4, 16, 16, 1))
    np.testing.assert_array_equal(dataset.x_train, read("python", own).x_train)
    assert not np.array_equal(dataset.x_train, datasets.read_dataset("python", own, 1).x_train)


def test_names_of_classes_may_be_a_list(own):
    own.write_text(GOOD.replace("% 2}", "% 2, 'class_names': ['cat', 'dog']}"))
    assert read("python", own).class_names.tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def read(seed):\n    return 1 / 0\n", "dataset.path: .*own.py, line 2: ZeroDivisionError: division by zero"),
        ("def raed(seed): pass\n", "own.py has no function 'read'"),
        ("import nowhere\n", "own.py, line 1: ModuleNotFoundError"),
        ("def read(seed): return 3\n", r"read\(seed\) must return a dict of NumPy arrays, images and labels"),
        ("def read(seed): return {'images': [1]}\n", r"has no array 'labels'; it holds images"),
        ("def read(seed): return {'images': [[1], 2]}\n", "own.py: ValueError"),
        ("import sys\nsys.exit(0)\n", "own.py, line 2: SystemExit: 0"),
        ("def read(seed):\n    raise SystemExit\n", "own.py, line 2: SystemExit"),
        ("def read(): return {}\n", r"TypeError: read\(\) takes 0 positional arguments"),
        ("def read(seed): return {}\n", r"must return a dict of NumPy arrays"),
        (GOOD.replace('"labels"', '"label"'), "has an array 'label', which is unknown; known: images, labels, "),
        (GOOD.replace("np.uint8", "np.int64"), "images: expected uint8 of shape N x H x W"),
        (GOOD.replace("% 2", "* 0"), r"must have at least two classes \(got 1\)"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(own, code, message):
    own.write_text(code)
    refused(message, read, "python", own)


def test_its_code_decides_and_no_comment(schema, tmp_path, own):
    def key():
        return planned(schema, tmp_path, dataset={"name": "python", "path": str(own)}).images_path

    before = key()
    own.write_text(GOOD + "# a comment\n")
    assert key() == before
    (own.parent / "neighbor.py").write_text("N = 30\n")
    assert key() != before
    own.write_text("def read(:\n")
    refused("dataset.path: .*own.py, line 1: ", key)


def a_link_to_nothing(path):
    path.symlink_to("nothing")


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("folder", Path.mkdir, "is a folder, and not a file"),
        ("pipe", os.mkfifo, "is neither a file nor a folder"),
        ("link", a_link_to_nothing, "no such file '{path}', but a link to nothing"),
        ("a{b}.npz", Path.touch, "has one of {{}}<> in it"),
        ("a<b>.npz", Path.touch, "has one of {{}}<> in it"),
        ("absent.npz", lambda path: None, "no such file"),
    ],
)
@pytest.mark.parametrize("setting", ["dataset.path", "dataset.archive", "models.a.architecture", "dataset.groups"])
def test_every_path_that_a_user_gives_is_checked_alike(schema, tmp_path, name, make, message, setting):
    suffix = {"models.a.architecture": ".py", "dataset.groups": ".csv"}.get(setting, "")
    path = tmp_path / f"{name}{suffix}"
    make(path)
    sections = {
        "dataset.path": {"dataset": {"name": "npz", "path": str(path)}},
        "dataset.archive": {"dataset": {"name": "cifar10", "archive": str(path)}},
        "models.a.architecture": {"models": {"a": {"architecture": str(path)}}},
        "dataset.groups": {"dataset": {"name": "folder", "path": str(tmp_path / "photos"), "groups": str(path)}},
    }[setting]
    (tmp_path / "photos/cat").mkdir(parents=True)
    (tmp_path / "photos/cat/1.png").touch()
    refused(f"{setting}: .*{re.escape(message.format(path=path))}", planned, schema, tmp_path, **sections)


def test_a_tilde_is_the_user_s_home(schema, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write_cifar100(tmp_path / "a.tar.gz")
    plan = planned(schema, tmp_path, dataset={"name": "cifar100", "archive": "~/a.tar.gz"})
    assert plan.source.path == path
