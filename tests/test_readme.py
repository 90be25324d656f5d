"""The README knows every setting, and its default."""

import copy
import importlib.util
import subprocess
import sys

import pytest

from conftest import ROOT

PROGRAM = ROOT / "docs/settings_tables.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("settings_tables", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_schema():
    check = subprocess.run([sys.executable, PROGRAM, "--check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr


def test_every_setting_has_a_row_and_a_change_of_it_shows(program, schema):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for key in ("dataset.name", "training.checkpoint_epochs", "seeds", "published.source"):
        assert f"| `{key}` | " in readme
    for key in schema["$defs"]["model"]["properties"]:
        assert f"| `{key}` | " in readme
    for place, key in (("settings", "epochs"), ("settings", "decay"), ("model", "description")):
        changed = copy.deepcopy(schema)
        changed["$defs"][place]["properties"][key]["description"] = "Something else. And more."
        assert "Something else |" in program.tables(changed)["model"]
        assert program.with_tables(readme, changed) != readme


def test_a_row_has_the_default_the_meaning_and_what_it_applies_to(program, schema):
    table = program.tables(schema)["model"].splitlines()
    assert (
        "| `weight_decay` | 0 | With `optimizer: sgd`: L2 penalty; times the weight, it is added to the weight's"
        in "\n".join(table)
    )
    assert len(table) == 2 + len(schema["$defs"]["model"]["properties"])
    study = program.tables(schema)["study"]
    assert "| `seeds` | `[1]` | Every model is trained once per seed |" in study
    assert "| `dataset.size` | 32 | With `name: folder`: Height and width" in study
