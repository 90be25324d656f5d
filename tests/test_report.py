"""The report stands alone and says what is known."""

import re

import pytest

from ablation import report, table
from conftest import ROOT
from test_table import MODELS, a_run

TEMPLATE = (ROOT / "scripts/ablation/templates/report.html.j2").read_text()
PROVENANCE = {
    "train_images": 900,
    "validation_images": 100,
    "test_images": 400,
    "device": "CPU, 1 thread",
    "precision": "float32",
    "machine": "x86_64, Linux",
    "git_revision": None,
    "versions": {"keras": "3"},
}


@pytest.fixture
def render():
    def render(**changes):
        runs = [{**a_run(model, 1, accuracy), **PROVENANCE} for model, accuracy in (("a", 0.5), ("b", 0.8))]
        study = {
            "title": "A <study> & more",
            "descriptions": {"a": "the first", "b": ""},
            "defaults": "epochs 2",
            "inputs": ["zca"],
            "dataset": "digits",
            "epsilon": 1e-6,
            "limits": {},
            "published": "a paper",
        }
        figures = {"a": b"\x89PNG a", "b": b"\x89PNG b"}
        return report.render(TEMPLATE, table.accuracy_table(runs, MODELS), study | changes, figures, runs)

    return render


def test_every_row_and_figure_is_there(render):
    html = render()
    assert html.count("<tr id=") == 2
    assert html.index('<tr id="b"') < html.index('<tr id="a"')
    assert html.count('<img src="data:image/png;base64,') == 2
    assert html.count(' alt="') == 2
    assert "<strong>b</strong>" in html
    assert "A &lt;study&gt; &amp; more" in html


def test_it_fetches_nothing(render):
    assert not re.search(r'(src|href)="(?!data:|#)', render())
    assert "@import" not in render()


def test_published_figures_are_shown_where_there_are_any(render):
    assert "−10.00" in render() or "-10.00" in render()
    assert "published" not in render(published=None)


def test_a_study_cut_short_says_so(render):
    assert "cut short" not in render()
    assert "epochs: at most 2" in render(limits={"epochs": 2})
