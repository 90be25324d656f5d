"""What the keys of tables and figures are made of."""

import copy
import re

import pytest

from ablation.report.outputs import TABLE_FILES, Outputs
from ablation.report.wording import FEW
from conftest import ROOT

STUDY = {
    "evaluations": {"a": {"1": "e"}, "b": {"1": "f"}},
    "images": "data/x/images.npz",
    "whitened": "data/y/zca.npz",
    "facts": {
        "title": "t",
        "baseline": "a",
        "same_as": {},
        "report_on": "test",
        "families": {"f": {"of": "a", "compared": ["b"], "heading": "h"}},
        "models": {
            name: {"differs": "", "epochs": 2, "published_loss": None, "published_accuracy": None, "description": ""}
            for name in "ab"
        },
    },
}
RUNS = {"a": {"1": "1f"}, "b": {"1": "2f"}}


def changed(place, value):
    """Return the study with another value at a place, as `facts.models.a.epochs`."""
    study = copy.deepcopy(STUDY)
    *outer, last = place.split(".")
    inner = study
    for key in outer:
        inner = inner[key]
    assert inner[last] != value
    inner[last] = value
    return study


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("images", "data/z/images.npz"),
        ("facts.baseline", "b"),
        ("facts.same_as", {"b": "a"}),
        ("facts.report_on", "validation"),
        ("facts.families.f.of", "b"),
        ("facts.families.f.compared", ["a"]),
        ("facts.models.a.differs", "decay 0"),
        ("facts.models.a.epochs", 3),
        ("facts.models.a.published_loss", 0.5),
        ("facts.models.a.published_accuracy", 0.5),
    ],
)
def test_what_decides_tables_is_in_their_key(tmp_path, place, value):
    assert Outputs(changed(place, value), tmp_path, RUNS).tables != Outputs(STUDY, tmp_path, RUNS).tables


@pytest.mark.parametrize(
    ("place", "value"),
    [("facts.title", "u"), ("facts.models.a.description", "d"), ("facts.families.f.heading", "i"), ("whitened", None)],
)
def test_what_decides_no_table_is_not(tmp_path, place, value):
    assert Outputs(changed(place, value), tmp_path, RUNS).tables == Outputs(STUDY, tmp_path, RUNS).tables


def test_a_run_is_in_the_key_and_without_it_there_is_none(tmp_path):
    tables = Outputs(STUDY, tmp_path, RUNS).tables
    assert Outputs(STUDY, tmp_path, RUNS | {"b": {"1": "3f"}}).tables not in (tables, None)
    assert Outputs(STUDY, tmp_path, RUNS | {"b": {"1": None}}).tables is None


def test_a_figure_of_a_model_is_drawn_from_runs_where_there_are_few(tmp_path):
    for models, expected in ((FEW, "runs"), (FEW + 1, "tables")):
        study = changed("facts.models", {str(number): {} for number in range(models)})
        assert Outputs(study, tmp_path).drawn_from("loss") == expected


def test_the_tables_are_those_of_the_documentation():
    page = (ROOT / "docs/files.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`report/[^|]*)\|", page, re.MULTILINE)
    named = {name.removeprefix("report/") for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    named -= {"index.html", "looks.json", "study.json"}
    assert set(TABLE_FILES) == named
    assert TABLE_FILES[-1] == "accuracy.md"  # which the workflow takes for the rest
