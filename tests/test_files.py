"""Files are whole or absent."""

import numpy as np
import pytest

from ablation import files
from ablation.errors import InputError


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.json"
    files.write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), files.replacing(target) as temporary:
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
    whole = path.read_bytes()
    path.write_bytes(whole[:-300])
    with pytest.raises(InputError, match="not a whole npz file"):
        files.read_npz(path, "x")
    flipped = bytearray(whole)
    flipped[500] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(InputError, match="not a whole npz file"):
        files.read_npz(path, "x")
    for at in range(0, 280, 7):  # wherever it is broken
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        try:
            files.read_npz(path, "x")
        except InputError as error:
            assert "\n" not in str(error)
    path.write_text("not a zip")
    with pytest.raises(InputError, match="not a whole npz file"):
        files.read_npz(path, "x")
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="not a whole npz file"):
        files.read_npz(path, "x")
