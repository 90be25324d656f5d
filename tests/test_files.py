"""Files are complete or absent."""

import errno
import fcntl
import hashlib
import json
import multiprocessing
import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from ablation import files, folder
from ablation.errors import InputError


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.json"
    files.write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), files.atomic_write(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == '{\n  "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_folders_are_made_and_modes_are_the_usual(tmp_path):
    target = tmp_path / "b" / "c.txt"
    files.write_text(target, "é")
    (tmp_path / "usual").touch()
    assert target.read_text(encoding="utf-8") == "é"
    assert target.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_filesystem_without_modes_works(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    files.write_text(tmp_path / "a", "b")
    assert (tmp_path / "a").read_text() == "b"


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_filesystem_without_locks_works_and_a_warning_says_so(tmp_path, monkeypatch, caplog, code):
    """As Lustre without its option, NFS without its daemon; files that others may write now are left alone."""

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".a.other.txt").write_text("half")
    with files.exclusive_lock(tmp_path / "new/lock", "model7"):
        files.write_text(tmp_path / "a.txt", "b")
    assert (tmp_path / "a.txt").read_text() == "b"
    assert (tmp_path / ".a.other.txt").exists()
    assert caplog.messages == [
        f"model7: the filesystem has no locks ({os.strerror(code)}); nothing else may work on it now"
    ]
    folder.remove_stale_locks(tmp_path / ".snakemake").close()


@pytest.mark.parametrize(("code", "written"), [(errno.EINVAL, True), (errno.ENOSPC, False), (errno.EIO, False)])
def test_a_filesystem_that_cannot_sync_works_and_one_that_fails_to_is_an_error(tmp_path, monkeypatch, code, written):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with nullcontext() if written else pytest.raises(OSError, match=os.strerror(code)):
        files.write_text(tmp_path / "a", "b")
    assert (tmp_path / "a").exists() == written


def test_an_error_of_the_system_names_the_file_that_it_is_about(tmp_path):
    target = tmp_path / "a"
    with pytest.raises(OSError) as full, files.atomic_write(target):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileNotFoundError) as other, files.atomic_write(target):
        (tmp_path / "other").read_text()
    assert (full.value.filename, str(other.value.filename)) == (str(target), str(tmp_path / "other"))


def test_the_remains_of_a_killed_writer_are_removed_and_a_live_ones_kept(tmp_path):
    target = tmp_path / "a.txt"
    (tmp_path / ".a.killed.txt").write_text("half")
    with files.atomic_write(target) as live:
        files.write_text(target, "second")
        assert live.exists()
        live.write_text("first")
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def hold_lock(path, entered, leave):
    with files.exclusive_lock(path, "x"):
        entered.set()
        leave.wait(30)


def test_one_process_at_a_time_and_the_other_says_whom_it_waits_for(tmp_path, caplog):
    caplog.set_level("INFO", logger="ablation")
    context = multiprocessing.get_context("spawn")
    entered, leave = context.Event(), context.Event()
    holder = context.Process(target=hold_lock, args=(tmp_path / "lock", entered, leave))
    holder.start()
    assert entered.wait(30)
    threading.Timer(0.5, leave.set).start()
    begin = time.monotonic()
    with files.exclusive_lock(tmp_path / "lock", "model7"):
        assert time.monotonic() - begin > 0.4
        assert f"process {os.getpid()} on " in (tmp_path / "lock").read_text()
    holder.join()
    assert caplog.messages == [f"model7: process {holder.pid} on {os.uname().nodename} holds the lock; waiting"]
    assert (tmp_path / "lock").read_text() == ""  # the file stays, or those who wait would lock two files


def test_a_note_on_the_holder_is_a_courtesy(tmp_path, monkeypatch, caplog):
    """On a full disk it can't be written; in another's file it may be anything."""
    caplog.set_level("INFO", logger="ablation")
    lock = tmp_path / "lock"
    entered, leave = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold_lock, args=(lock, entered, leave))
    holder.start()
    entered.wait(30)
    lock.write_bytes(b"\xff\xfe")
    threading.Timer(0.5, leave.set).start()
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with files.exclusive_lock(lock, "x"):
        pass
    holder.join()
    assert caplog.messages == []


def test_a_holder_that_ends_while_it_is_looked_up_is_no_error(tmp_path, monkeypatch):
    lock = tmp_path / "lock"
    entered, leave = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold_lock, args=(lock, entered, leave))
    holder.start()
    entered.wait(30)

    def read_late(self, *_, **__):
        leave.set()
        holder.join()
        lock.unlink()
        raise FileNotFoundError(2, "No such file or directory", str(self))

    monkeypatch.setattr(Path, "read_text", read_late)
    with files.exclusive_lock(lock, "x"):
        assert lock.exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_under_a_second_name(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(95, "Not supported")))
    (tmp_path / "a").write_text("content")
    target = tmp_path / "b" / "c"
    for _ in range(2):  # the second replaces the first
        files.link_or_copy(tmp_path / "a", target)
        assert target.read_text() == "content"
    assert target.samefile(tmp_path / "a") == links


@pytest.fixture
def count(monkeypatch):
    """The files that were read to the end for a digest."""
    read = []
    monkeypatch.setattr(files, "file_digest", lambda path, real=files.file_digest: read.append(path) or real(path))
    return read


def settled(path, content):
    """Write a file that counts as unchanged for a while."""
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))


def test_a_digest_is_remembered_until_the_file_changes(tmp_path, count, monkeypatch):
    monkeypatch.setattr(files, "SETTLED", -1)
    path, cache = tmp_path / "a", tmp_path / "cache" / "digests.json"
    settled(path, b"one")
    for _ in range(2):
        assert files.cached_file_digest(path, cache) == hashlib.sha256(b"one").hexdigest()
    assert len(count) == 1
    settled(path, b"two")  # the same size and time of content: the time of its status tells
    assert files.cached_file_digest(path, cache) == hashlib.sha256(b"two").hexdigest()
    settled(tmp_path / "b", b"one")
    (tmp_path / "b").replace(path)
    assert files.cached_file_digest(path, cache) == hashlib.sha256(b"one").hexdigest()
    assert len(count) == 3


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path, count):
    path, cache = tmp_path / "a", tmp_path / "digests.json"
    path.write_bytes(b"one")
    for _ in range(2):
        files.cached_file_digest(path, cache)
    assert len(count) == 2


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SETTLED", -1)
    path, cache = tmp_path / "a", tmp_path / "digests.json"
    settled(path, b"one")

    def edited(path):
        path.write_bytes(b"longer")
        return "0" * 64

    with monkeypatch.context() as patched:
        patched.setattr(files, "file_digest", edited)
        files.cached_file_digest(path, cache)
    assert files.cached_file_digest(path, cache) == hashlib.sha256(b"longer").hexdigest()


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', "\x00", "{PATH: 3}", '{PATH: {"sha256": "0"}}'])
def test_a_broken_cache_costs_only_time(tmp_path, content):
    path, cache = tmp_path / "a", tmp_path / "digests.json"
    settled(path, b"one")
    cache.write_text(content.replace("PATH", json.dumps(str(path))))
    assert files.cached_file_digest(path, cache) == hashlib.sha256(b"one").hexdigest()


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SETTLED", -1)
    settled(tmp_path / "a", b"one")
    (tmp_path / "file").touch()
    digest = files.cached_file_digest(tmp_path / "a", tmp_path / "file" / "digests.json")
    assert digest == hashlib.sha256(b"one").hexdigest()


def test_digests_of_arrays_know_shape_and_type():
    arrays = [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.float32), np.ones(4), np.zeros(4, np.int64)]
    assert len({files.array_digest(array) for array in arrays}) == len(arrays)
    assert files.array_digest(np.zeros((2, 3)).T) == files.array_digest(np.zeros((3, 2)))


@pytest.mark.parametrize("content", ["", '{"a": 1', "[1]", "\x00", '"text"', b"\xff\xfe"])
def test_broken_json_is_one_line(tmp_path, content):
    path = tmp_path / "metrics.json"
    with pytest.raises(InputError, match="metrics.json: no such file"):
        files.read_json(path)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match="truncated or corrupt JSON .*; delete it and run again") as caught:
        files.read_json(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_csv_is_one_line(tmp_path):
    path = tmp_path / "history.csv"
    with pytest.raises(InputError, match="no such file"):
        files.read_csv(path)
    for content in (b"", b"a,b\n1,2\n1,2,3,4\n", b"a\n\xff\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="truncated or corrupt CSV .*; delete it and run again") as caught:
            files.read_csv(path)
        assert "\n" not in str(caught.value)
    path.write_text("a,b\n1,2\n")
    assert files.read_csv(path, index_col="a").loc[1, "b"] == 2


def test_npz_round_trip(tmp_path):
    files.write_npz(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2))
    y, x = files.read_npz(tmp_path / "a.npz", "y", "x")
    assert x.tolist() == [0, 1, 2]
    assert y.shape == (2, 2)


def test_broken_npz_files_are_one_line(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match="no such file"):
        files.read_npz(path, "x")
    files.write_npz(path, x=np.arange(1000))
    with pytest.raises(InputError, match=r"has no array 'y'; it holds x"):
        files.read_npz(path, "y")
    intact = path.read_bytes()
    path.write_bytes(intact[:-300])
    with pytest.raises(InputError, match="truncated or corrupt npz"):
        files.read_npz(path, "x")
    flipped = bytearray(intact)
    flipped[500] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(InputError, match="truncated or corrupt npz"):
        files.read_npz(path, "x")
    for at in range(0, 280, 7):  # wherever it is broken, the arrays are as they were or refused
        broken = bytearray(intact)
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        try:
            (x,) = files.read_npz(path, "x")
        except InputError as error:
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(x, np.arange(1000))
    path.write_text("not a zip")
    with pytest.raises(InputError, match="truncated or corrupt npz"):
        files.read_npz(path, "x")
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="truncated or corrupt npz"):
        files.read_npz(path, "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"key": 1}', "its 'key' is no str"),
        (b"{}", "has no 'key'"),
        (b'{"key": "a", "x": NaN}', "NaN is no number of JSON"),
        (b'{"key": "a", "x": 1e999}', "1e999 is no number of JSON"),
        (b'\xef\xbb\xbf{"key": "a"}', "BOM"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_an_object_has_the_entries_that_are_read(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a.json: truncated or corrupt JSON .*{message}.*; restore it$"):
        files.read_json(tmp_path / "a.json", "restore it", key=str)


def test_a_record_with_windows_line_ends_is_the_same(tmp_path):
    files.write_record(tmp_path / "a.json", {"key": "x"})
    (tmp_path / "a.json").write_bytes((tmp_path / "a.json").read_bytes().replace(b"\n", b"\r\n"))
    assert files.read_record(tmp_path / "a.json", key=str)["key"] == "x"


def test_a_table_has_the_columns_that_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("epoch,loss\n1,2\n")
    assert files.read_csv(tmp_path / "a.csv", "epoch")["loss"].tolist() == [2]
    with pytest.raises(
        InputError, match="a.csv: truncated or corrupt CSV .*has no column 'penalty'.*; delete it and run"
    ):
        files.read_csv(tmp_path / "a.csv", "epoch", "penalty")


@pytest.mark.parametrize("read", [files.read_json, files.read_record, files.read_csv, files.read_npz])
def test_a_folder_and_a_file_that_is_closed_to_us_are_one_line(tmp_path, monkeypatch, read):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=r"a: is a folder, not \w+; delete it and run again"):
        read(tmp_path / "a")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.Path, "read_text", refuse)
    monkeypatch.setattr(np, "load", refuse)
    monkeypatch.setattr("pandas.read_csv", refuse)
    with pytest.raises(InputError, match="a: can't be read; permission denied"):
        read(tmp_path / "a")


def test_what_a_user_names_is_written_where_it_leads(tmp_path):
    """Through a link, and into a pipe; neither is replaced by a file."""
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    target.write_text("before")
    link.symlink_to(target)
    with files.user_output(link) as output:
        output.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with files.user_output(pipe) as output:
        output.write_text("new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(KeyError), files.user_output(tmp_path / "absent") as output:
        output.write_text("half")
        raise KeyError
    assert not (tmp_path / "absent").exists()
