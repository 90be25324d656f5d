"""The report stands alone and says what is known, and no more."""

import re

import pytest

from ablation import report
from conftest import ROOT
from test_table import ACCURACIES, a_study

TEMPLATE = (ROOT / "scripts/ablation/templates/report.html.j2").read_text()
PROVENANCE = {
    "train_images": 900,
    "validation_images": 100,
    "test_images": 1000,
    "device": "CPU, 1 thread",
    "precision": "float32",
    "machine": "x86_64, Linux",
    "git_revision": None,
    "finished": "2026-01-02T03:04:05+00:00",
    "versions": {"keras": "3"},
    "train_digest": "1f",
    "test_digest": "2e",
    "code_digest": "3d",
}
OF_STUDY = ["accuracies", "differences", "curves", "classes", "calibration", "cost"]
STUDY = {
    "title": "A <study> & more",
    "descriptions": {"a": "the first", "b": "", "c": ""},
    "baseline": "a",
    "defaults": "epochs 2",
    "varying": {"decay": {"a": "0.1", "b": "0", "c": "0.1"}},
    "inputs": ["zca"],
    "validation": ["last"],
    "trained_once": [],
    "dataset": "digits",
    "epsilon": 1e-6,
    "fit_on": "train_and_validation",
    "limits": {},
    "published": "a paper",
    "config": "seeds: [1]\n",
}


def render(accuracies=ACCURACIES, seeds=5, averaged=(), of_run=None, **changes):
    metrics, comparisons, table = a_study(accuracies, range(1, seeds + 1), averaged)
    kinds = ("loss", "accuracy", "confusion", "mistakes")
    names = [*OF_STUDY, *(f"{kind}_{model}" for model in accuracies for kind in kinds)]
    figures = {name: b"\x89PNG " + name.encode() for name in names}
    metrics = [run | PROVENANCE | {"model_digest": f"{run['model']} {run['seed']}"} | (of_run or {}) for run in metrics]
    return report.render(TEMPLATE, table, comparisons, STUDY | changes, figures, metrics)


def test_every_row_and_figure_is_there():
    html = render()
    assert html.index('<tr id="row-b"') < html.index('<tr id="row-a"') < html.index('<tr id="row-c"')
    assert html.count('<img src="data:image/png;base64,') == 6 + 3 * 4
    assert len(re.findall(r'<img [^>]*alt="[^"]+"', html)) == 6 + 3 * 4
    assert "A &lt;study&gt; &amp; more" in html


def test_it_fetches_nothing():
    html = render()
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "@import" not in html
    assert not re.search(r"url\(", html)


def test_every_link_in_the_page_leads_somewhere():
    for html in (render(), render(seeds=1), render({"a": ACCURACIES["a"]})):
        targets = re.findall(r' id="([^"]+)"', html)
        assert len(targets) == len(set(targets))
        assert set(re.findall(r'href="#([^"]+)"', html)) <= set(targets)


def test_averaging_over_views_is_said_with_the_accuracy_without_it():
    assert "on one view" not in render()
    html = render(averaged=["b"])
    assert html.count("on one view</span>") == 1
    assert "81.00 on one view" in html
    assert "several views of it\n(flip)" in html


def test_models_that_are_trained_once_count_once_and_are_named():
    assert "0:15:00 in all" in render()
    html = render(of_run={"model_digest": "the same"}, trained_once=[["a", "b", "c"]])
    assert "0:01:00 in all" in html
    assert "a, b, c are even the same networks" in html


def test_a_study_without_validation_images_does_not_speak_of_them():
    html = render(of_run={"validation_images": 0}, validation=[])
    assert 'alt="Validation loss and accuracy of all models' not in html
    assert "validation images included" not in html
    assert "they are for the curves" not in html


def test_published_figures_are_shown_where_there_are_any():
    assert "−3.00" in render()
    assert "ublished" not in render(published=None)


def test_a_study_cut_short_says_so():
    assert "cut short" not in render()
    assert "epochs: at most 2" in render(limits={"epochs": 2})


def test_what_the_whitening_saw_is_said():
    assert "the validation images included" in render()
    assert "without the validation images" in render(fit_on="train")


def sentences(accuracies, seeds=5):
    _, comparisons, table = a_study(accuracies, range(1, seeds + 1))
    return report.summary(table, comparisons, "a", 1000)


def test_a_summary_with_seeds_enough():
    best, *rest = sentences(ACCURACIES)
    assert best.startswith(
        "The highest accuracy of 3 models is that of b: 82.00% of 1,000 test images (mean of 5 seeds;"
    )
    assert rest[0] == "Better than the baseline, a: b (+10.00 points)."
    assert rest[1] == "With 5 seeds not distinguishable from the baseline, a: c (−0.20 points)."
    less = r"A true difference from the baseline of less than \d\.\d to \d\.\d points, .* would be missed more often"
    assert re.match(less, rest[2])
    assert rest[3] == "b is better than every other model on these images, of 3 comparisons."


def test_a_summary_of_ranks():
    tied = {"a": ACCURACIES["a"], "c": ACCURACIES["c"], "b": [0.5, 0.51, 0.52, 0.53, 0.54]}
    found = sentences(tied)
    assert "Worse than the baseline, a: b (−20.00 points)." in found
    assert found[-1] == "Not distinguishable from the best, a: c."


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_summary_with_too_few_seeds(seeds):
    """With three seeds the smallest p of the permutation test is 0.1, however far apart the models are."""
    found = sentences(ACCURACIES, seeds)
    assert found[1].startswith(f"{seeds} seeds are too few to say which models differ from the baseline, a:")
    assert "5 seeds are the fewest that can show anything in these 2 comparisons." in found[1]
    assert found[2] == (
        "Candidates for a difference, as their interval alone, without any correction, excludes zero:"
        " b (+10.00 points)."
    )
    assert not any("Better" in sentence for sentence in found)


def test_a_summary_of_one_seed():
    found = sentences(ACCURACIES, seeds=1)
    assert "no model is said to be better or worse" in found[1]
    assert (
        "McNemar's test distinguishes these trained networks from that of the baseline, a, on new images:" in found[2]
    )
    assert ": b (+10.00 points) and c (−1.00 points). That says nothing about other seeds." in found[2]
    html = render(seeds=1)
    assert "It says nothing about other" in html
    assert "too few seeds" in html


def test_a_revision_that_does_not_reproduce_is_said():
    assert "The revision of the code is not known" in render()


def test_one_model_alone_is_compared_with_nothing():
    assert len(sentences({"a": ACCURACIES["a"]})) == 1
    assert 'id="comparisons"' not in render({"a": ACCURACIES["a"]})
