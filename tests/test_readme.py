"""The README knows every setting, and its default."""

import re

import pytest

from conftest import ROOT


@pytest.fixture(scope="module")
def rows():
    """Cells of the README's tables by the keys of their first cell."""
    table = re.findall(r"^\| (`.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    cells = [row.split(" | ") for row in table]
    return {key: row[1:] for row in cells for key in re.findall(r"`([^`]+)`", row[0])}


def keys(rule, path=""):
    for key, entry in rule["properties"].items():
        if "properties" in entry:
            yield from keys(entry, f"{path}{key}.")
        else:
            yield f"{path}{key}", entry


def test_every_setting_is_in_a_table(schema, rows):
    for key, _ in [*keys(schema), *keys(schema["$defs"]["model"])]:
        assert key in rows, key


def test_defaults_of_the_models_are_those_of_the_schema(schema, rows):
    for key, rule in keys(schema["$defs"]["settings"]):
        shown = rows[key][0].strip("`")
        assert shown == str(rule["default"]) or float(shown) == rule["default"], key
