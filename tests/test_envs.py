"""The lock files and the conda environments name the same versions."""

import re

import pytest
import yaml

from conftest import ROOT


def pins(name):
    return dict(re.findall(r"^([a-z0-9-]+)==([\w.]+)", (ROOT / "envs" / name).read_text(), re.MULTILINE))


def test_the_development_lock_extends_the_lock():
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


@pytest.mark.parametrize("name", ["data.yaml", "train.yaml", "report.yaml"])
def test_environments_agree_with_the_lock(name):
    *_, pip = yaml.safe_load((ROOT / "envs" / name).read_text())["dependencies"]
    for requirement in pip["pip"]:
        package, version = requirement.split("==")
        assert pins("requirements.txt")[package] == version, requirement


def test_every_direct_dependency_is_locked():
    for line in (ROOT / "envs/requirements.in").read_text().splitlines():
        package = re.match(r"[a-z0-9-]*", line)[0]
        assert not package or package in pins("requirements.txt"), line
