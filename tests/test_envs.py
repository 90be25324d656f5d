"""The lock files and the conda environments name the same versions."""

import ast
import re
import sys
import tomllib

import pytest
import yaml

from ablation import keys
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


def test_the_package_is_built_with_what_is_locked():
    """So that `pip install --no-build-isolation` needs nothing else."""
    (requirement,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    package, version = requirement.split("==")
    assert pins("requirements.txt")[package] == version


PACKAGES = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "pynvml": "nvidia-ml-py",
    "urllib3": "requests",
}  # what is installed with it
PROGRAMS = {
    "data.yaml": ["download", "prepare", "whiten"],
    "train.yaml": ["train", "evaluate", "predict"],
    "report.yaml": ["compare", "plot", "report", "unused"],
}
ONLY_TO_PLAN = {"yaml", "jsonschema"}  # what Snakemake's own environment has, where the schema is read


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_environment_has_what_its_programs_import_and_no_more(name):
    *_, pip = yaml.safe_load((ROOT / "envs" / name).read_text())["dependencies"]
    pinned = {requirement.split("==")[0] for requirement in pip["pip"]}
    imported, pending, seen = set(), [ROOT / f"scripts/{program}.py" for program in PROGRAMS[name]], set()
    if name == "train.yaml":
        pending += (ROOT / "scripts/ablation/training").glob("*/*.py")  # found by the name in a setting
    if name == "data.yaml":
        pending += (ROOT / "scripts/ablation/data/datasets").glob("*.py")
    if name == "report.yaml":
        pending += (ROOT / "scripts/ablation/report/figures").glob("*.py")
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for module in modules:
                if module.startswith("ablation"):
                    pending += filter(None, [keys._file(module)])
                elif isinstance(node, ast.Import) or module == node.module:
                    imported.add(module.partition(".")[0])
    imported -= set(sys.stdlib_module_names) | ONLY_TO_PLAN
    some = {"tabulate", "pandas"}  # imported by pandas, and where a CSV file is read
    assert {PACKAGES.get(module, module) for module in imported} - some == pinned - some
