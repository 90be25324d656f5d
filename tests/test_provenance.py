"""A revision is this workflow's own, and is dirty only where its code is."""

import platform
import subprocess

import numpy as np
import pytest

from ablation.training import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A committed workflow in a repository of its own, which git_revision takes for this one."""
    root = tmp_path.resolve() / "workflow"
    for folder in ("rules", "scripts"):
        (root / folder).mkdir(parents=True)
    for name in ("Snakefile", "config.yaml", "rules/train.smk", "scripts/train.py"):
        (root / name).write_text("1\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "a")
    monkeypatch.setattr(provenance, "ROOT", root)
    return root


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_an_edited_config_is_not_dirty(repository):
    (repository / "config.yaml").write_text("2\n")
    (repository / "notes.txt").write_text("2\n")
    assert provenance.git_revision() == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["Snakefile", "rules/train.smk", "scripts/train.py", "scripts/new.py"])
def test_edited_or_new_code_is_dirty(repository, name):
    (repository / name).write_text("2\n")
    assert provenance.git_revision() == git(repository, "rev-parse", "HEAD") + "-dirty"


def test_another_repository_around_the_workflow_is_not_its_own(repository, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", repository / "scripts")
    assert provenance.git_revision() is None


def test_without_a_repository_or_git(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path.resolve())
    assert provenance.git_revision() is None
    monkeypatch.setattr(provenance, "ROOT", repository)
    monkeypatch.setenv("PATH", "")
    assert provenance.git_revision() is None


def test_versions_are_of_what_decides_a_result():
    versions = provenance.versions()
    assert set(versions) == {"python", "tensorflow", "keras", "numpy"}
    assert (versions["python"], versions["numpy"]) == (platform.python_version(), np.__version__)
