"""The archive is read without trusting it."""

import gzip
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from ablation.data.datasets import cifar10
from ablation.errors import InputError


def batch(n=4):
    rng = np.random.default_rng(n)
    return {b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8), b"labels": rng.integers(0, 10, n).tolist()}


def write_archive(path, members=None, extra=()):
    contents = {name: batch(4 + i) for i, name in enumerate([*cifar10.TRAIN_BATCHES, cifar10.TEST_BATCH])}
    contents[cifar10.META] = {b"label_names": [b"class%d" % i for i in range(10)]}
    contents |= members or {}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            if content is None:
                continue
            data = content if isinstance(content, bytes) else pickle.dumps(content, protocol=4)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    return path


def test_images_and_labels_come_in_order(tmp_path):
    path = write_archive(tmp_path / "a.tar.gz")
    dataset = cifar10.read(path, seed=0)
    first = batch(4)
    assert dataset.x_train.shape == (4 + 5 + 6 + 7 + 8, 32, 32, 3)
    assert dataset.x_test.shape == (9, 32, 32, 3)
    assert dataset.y_train[:4].tolist() == first[b"labels"]
    # a row is 1,024 reds, then greens, then blues, row-major
    assert dataset.x_train[1, 2, 3].tolist() == first[b"data"][1, [2 * 32 + 3, 1024 + 67, 2048 + 67]].tolist()
    assert dataset.class_names[3] == "class3"


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, np.load, np.memmap, getattr])
def test_a_pickle_that_calls_anything_is_refused(tmp_path, function):
    target = tmp_path / "written"
    forged = pickle.dumps({b"data": Malicious(function, f"touch {target}")}, protocol=4)
    path = write_archive(tmp_path / "a.tar.gz", {cifar10.TEST_BATCH: forged})
    with pytest.raises(InputError, match=r"test_batch cannot be read .*which is not an array"):
        cifar10.read(path, seed=0)
    assert not target.exists()


@pytest.mark.parametrize("opcodes", [b"r\xff\xff\xff\x7f", b"p2147483647\n"], ids=["LONG_BINPUT", "PUT"])
def test_a_pickle_that_asks_for_memory_is_refused(tmp_path, opcodes):
    """Room for two thousand million entries is sixteen gigabytes."""
    path = write_archive(tmp_path / "a.tar.gz", {cifar10.TEST_BATCH: b"\x80\x02}" + opcodes + b"."})
    with pytest.raises(InputError, match="test_batch cannot be read .it has .*PUT 2147483647"):
        cifar10.read(path, seed=0)


def test_nothing_is_written_wherever_members_point(tmp_path):
    outside = tarfile.TarInfo("../escaped")
    link = tarfile.TarInfo(cifar10.FOLDER + "/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo(cifar10.FOLDER + "/device")
    device.type = tarfile.CHRTYPE
    folder = tmp_path / "inside"
    folder.mkdir()
    path = write_archive(folder / "a.tar.gz", extra=[outside, link, device])
    cifar10.read(path, seed=0)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.tar.gz", "inside"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({cifar10.TEST_BATCH: None}, "has no 'cifar-10-batches-py/test_batch'"),
        ({cifar10.TEST_BATCH: batch() | {b"data": np.zeros((4, 9), np.uint8)}}, "no array 'data' of uint8"),
        ({cifar10.TEST_BATCH: batch() | {b"labels": [0, 1, 2, 11]}}, "integers from 0 to 9"),
        ({cifar10.TEST_BATCH: batch() | {b"labels": [[0], [1], [2], [3]]}}, "integers from 0 to 9"),
        ({cifar10.TEST_BATCH: batch(0)}, "no list 'labels'"),
        ({cifar10.TEST_BATCH: [1, 2]}, "no array 'data'"),
        ({cifar10.META: {b"label_names": [b"cat"]}}, "no list 'label_names'"),
        ({cifar10.TEST_BATCH: b"not a pickle"}, "cannot be read"),
    ],
)
def test_a_wrong_layout_is_one_line(tmp_path, members, message):
    path = write_archive(tmp_path / "a.tar.gz", members)
    with pytest.raises(InputError, match=message) as caught:
        cifar10.read(path, seed=0)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_archive_cut_short(tmp_path):
    path = write_archive(tmp_path / "a.tar.gz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="truncated or corrupt CIFAR archive"):
        cifar10.read(path, seed=0)


def test_a_flipped_bit_is_one_line_wherever_it_is(tmp_path):
    """gzip's own checksum is read to the end, though what tar needs ends before."""
    path = write_archive(tmp_path / "a.tar.gz")
    intact = path.read_bytes()
    for at in (len(intact) // 3, len(intact) // 2, len(intact) - 6):
        path.write_bytes(intact[:at] + bytes([intact[at] ^ 1]) + intact[at + 1 :])
        with pytest.raises(InputError, match="truncated or corrupt CIFAR archive|cannot be read|not a CIFAR") as caught:
            cifar10.read(path, seed=0)
        assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_read(tmp_path):
    bomb = tarfile.TarInfo(cifar10.FOLDER + "/bomb")
    bomb.size = 2**40
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.fileobj.write(bomb.tobuf())
    with pytest.raises(InputError, match="not a CIFAR archive"):
        cifar10.read(path, seed=0)


def test_not_an_archive_at_all(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_text("<html>log in first</html>")
    with pytest.raises(InputError, match="truncated or corrupt CIFAR archive"):
        cifar10.read(path, seed=0)
    path.write_bytes(gzip.compress(b"no tar" * 1000))
    with pytest.raises(InputError, match="truncated or corrupt CIFAR archive"):
        cifar10.read(path, seed=0)
    with pytest.raises(InputError, match="no such file"):
        cifar10.read(tmp_path / "nowhere.tar.gz", seed=0)
