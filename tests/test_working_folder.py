"""The folder that Snakemake runs in: its locks, its trigger, and whether results can go where they shall."""

import os

import pytest

from ablation import folder
from ablation.errors import InputError


def test_locks_are_removed_once_nobody_is_left_who_made_them(tmp_path):
    working = tmp_path / "study/.snakemake"
    first = folder.remove_stale_locks(working)
    lock = working / "locks/0.input.lock"
    lock.write_text("")
    second = folder.remove_stale_locks(working)
    assert lock.exists()
    first.close()
    third = folder.remove_stale_locks(working)
    assert lock.exists()  # the second is still there
    second.close()
    third.close()
    last = folder.remove_stale_locks(working)
    assert not lock.exists()
    lock.write_text("")
    folder.remove_stale_locks(working).close()  # which doesn't wait for the last
    assert lock.exists()
    last.close()


def test_a_trigger_is_newer_than_what_is_outdated_and_older_than_all_else(tmp_path):
    trigger = folder.trigger(tmp_path / "study/.snakemake")
    assert folder.trigger(tmp_path / "study/.snakemake") == trigger
    assert os.path.isdir(trigger)
    outdated = tmp_path / "outdated"
    outdated.write_text("")
    folder.mark_outdated(outdated)
    folder.mark_outdated(tmp_path / "absent")
    assert outdated.stat().st_mtime == 1
    assert os.stat(trigger).st_mtime == 2
    assert not (tmp_path / "absent").exists()


def test_an_output_of_another_user_that_is_outdated_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(InputError, match=r"/x: is outdated, .* \(Operation not permitted\); delete it$"):
        folder.mark_outdated(tmp_path / "x")


BRACED = ["a{b}", "a<b>", "a{", "a}", "a<", "a>"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "has one of {}<> in it, which mean something to Snakemake; name another") for name in BRACED),
        ("~/a", "Snakemake takes ~ for a folder of this name; write the path of your home"),
        ("file", "is a file, and not a folder"),
        ("folder/file", "is a file, and not a folder"),
    ],
)
def test_a_name_that_no_folder_of_results_can_have(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("")
    for possible in ("folder", "new/a b", "a~"):
        folder.check_name("results", possible)
    with pytest.raises(InputError) as caught:
        folder.check_name("results", name)
    assert str(caught.value) == f"pathvars.results: {name!r}: {message}"


def test_what_can_not_be_written_is_seen_in_the_folder_that_is_there(tmp_path, monkeypatch):
    folder.check_writable(tmp_path / "not/there/yet")
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((path, mode)))
    with pytest.raises(InputError, match="there/yet: is not writable"):
        folder.check_writable(tmp_path / "not/there/yet")
    assert asked == [(tmp_path, os.W_OK)]
