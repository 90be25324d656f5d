"""What a user's path must be, before anything is done with it."""

import os

import pytest

from ablation import own_files
from ablation.errors import InputError


def test_a_file_where_a_folder_is_meant(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="x: '.*/a' is a file, and not a folder$"):
        own_files.own_path("x", str(tmp_path / "a"), "folder")


@pytest.mark.parametrize(("kind", "denied"), [("file", os.R_OK), ("folder", os.R_OK), ("folder", os.X_OK)])
def test_what_is_closed_to_us_is_one_line(tmp_path, monkeypatch, kind, denied):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert own_files.own_path("x", str(tmp_path / kind), kind) == tmp_path / kind
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & denied)
    with pytest.raises(InputError, match=f"x: '.*/{kind}' can't be read; permission denied$"):
        own_files.own_path("x", str(tmp_path / kind), kind)


def test_a_name_that_programs_take_for_an_option_is_refused(tmp_path):
    (tmp_path / "-net.py").touch()
    with pytest.raises(InputError, match="x: '.*/-net.py' begins with -, which programs take for an option; rename it"):
        own_files.own_path("x", str(tmp_path / "-net.py"), "file")


def test_what_is_not_named_as_python_is_not_imported(tmp_path):
    (tmp_path / "a.txt").write_text("def read(): ...")
    with pytest.raises(InputError, match=r"x: '.*/a.txt' is not a Python file; its name must end in .py"):
        own_files.load_module("x", tmp_path / "a.txt", "read")


def test_a_file_imports_its_neighbor_whatever_else_has_that_name(tmp_path, monkeypatch):
    for folder, value in (("programs", 1), ("my", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a_helper.py").write_text(f"VALUE = {value}\n")
    monkeypatch.syspath_prepend(tmp_path / "programs")
    (tmp_path / "my/net.py").write_text("from a_helper import VALUE\ndef build(): ...\n")
    assert own_files.load_module("x", tmp_path / "my/net.py", "build").VALUE == 2


def test_a_syntax_error_has_its_line(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("a = 1\nb = (\n")
    with pytest.raises(InputError, match=f"^x: {path}, line 2: SyntaxError: '\\(' was never closed$"):
        own_files.load_module("x", path, "read")


def test_an_error_of_ours_in_the_user_s_code_has_its_place(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("from ablation.errors import InputError\nraise InputError('no such model')\n")
    with pytest.raises(InputError, match=f"^x: {path}, line 2: InputError: no such model$"):
        own_files.load_module("x", path, "read")


def test_an_error_elsewhere_has_no_line_of_the_file(tmp_path):
    assert (
        own_files.describe_error(tmp_path / "a.py", TypeError("not\nhere")) == f"{tmp_path}/a.py: TypeError: not here"
    )


DEEP = "+".join(["1"] * 9000)


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = (", 2), ("a\0", 1), (DEEP, 1)], ids=["open", "NUL", "too deep"]
)
def test_what_is_no_python_is_one_line(tmp_path, text, line):
    path = tmp_path / "a.py"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^x: {path}, line {line}: "):
        own_files.parse_module("x", path)
