"""The report stands alone and says what is known, and no more."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest

from ablation.report import figures, page
from ablation.report.outputs import TABLE_FILES
from conftest import ROOT
from test_table import ACCURACIES, a_study

TEMPLATE = (ROOT / "scripts/ablation/report/page.html.j2").read_text()
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
    "training_code": "3d",
}
FACTS = {
    "title": "A <study> & more",
    "baseline": "a",
    "defaults": "epochs 2",
    "varying": {"decay": {"a": "0.1", "b": "0", "c": "0.1"}},
    "inputs": ["zca"],
    "validation": ["last"],
    "identical_trainings": [],
    "same_as": {},
    "dataset": "digits",
    "epsilon": 1e-6,
    "fit_on": "train_and_validation",
    "limits": {},
    "published": "a paper",
    "config": "seeds: [1]\n",
    "report_on": "test",
    "families": {},
}


def render(accuracies=ACCURACIES, seeds=5, averaged=(), of_run=None, chance=0.1, looks=None, warnings=(), **changes):
    facts = FACTS | {"models": {model: {"description": f"the {model} one"} for model in accuracies}} | changes
    published = facts["published"] is not None
    compared = {name: (family["of"], family["compared"]) for name, family in facts["families"].items()}
    metrics, comparisons, table = a_study(
        accuracies, range(1, seeds + 1), averaged, published, facts["report_on"], chance, compared
    )
    metrics = [
        run | PROVENANCE | {"weights_digest": f"{run['model']} {run['seed']}"} | (of_run or {}) for run in metrics
    ]
    study = SimpleNamespace(
        facts=facts,
        seeds=list(range(1, seeds + 1)),
        baseline="a",
        report_on=facts["report_on"],
        looks=looks or {},
        accuracies=table,
        comparisons=comparisons,
        metrics=metrics,
        warnings=list(warnings),
    )
    names = []
    for name, figure in figures.catalogue().items():
        of = figures.names(name, facts)
        names += [f"{name}_{one}" for one in of] if figure.scope in ("model", "family") else [name]
    svg = '<svg width="460.8pt" viewBox="0 0 460.8 288" role="img"><text>{}</text></svg>\n<!-- made from 1f -->\n'
    return page.render(TEMPLATE, study, {name: svg.format(name) for name in names}, "0123456789abcdef")


def test_it_bears_its_key_at_its_end():
    assert render().endswith("</html>\n<!-- made from 0123456789abcdef -->")


def rows_of(html):
    """Return the first table of a page: its headings, and by model the cells of its row, as the words in them."""
    words = [
        [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr.*?</tr>", html[: html.index("</table>")], re.DOTALL)
    ]
    return words[0], {row[0].split()[0]: row[1:] for row in words[1:]}


def test_cells_of_the_table_by_hand():
    headings, rows = rows_of(render())
    assert headings == [
        "model",
        "test accuracy, %",
        "training accuracy, last epoch, %",
        "validation accuracy, last epoch, %",
        "95% interval, new images, %",
        "minus baseline, points",
        "verdict, these images",
        "verdict, new images",
        "test loss",
        "published accuracy, %",
        "ours minus published, points",
        "para\u00admeters",
        "epochs",
        "training time",
    ]
    assert [rows[model][1] for model in "abc"] == ["90.00 gap +18.00", "85.00 gap +3.00", "70.00 gap −1.80"]
    assert [rows[model][2] for model in "abc"] == ["70.00", "80.00", "–"]
    *_, loss, published, difference, parameters, epochs, time = rows["a"]
    assert rows["a"][0] == "72.00 ± 1.58"
    assert rows["a"][4:7] == ["baseline", "", ""]
    assert (loss, published, difference) == ("0.2800", "75.00 loss 0.5000", "−3.00 one run: 67.19 to 76.81")
    assert (parameters, epochs, time) == ("10,000", "2", "0:01:00")
    assert rows["b"][4].startswith("+10.00 +")
    assert rows["b"][5:7] == ["better", "better"]
    assert rows["b"][8:10] == ["–", "–"]
    assert rows["b"][-2] == "3 still improving"
    assert rows_of(render(seeds=1))[1]["a"][0] == "70.00"


def test_every_row_and_figure_is_there():
    html = render()
    assert html.index('<tr id="row-b"') < html.index('<tr id="row-a"') < html.index('<tr id="row-c"')
    assert len(re.findall(r'<svg aria-label="[^"]+" [^>]*role="img">', html)) == 6 + 3 * 4 + 3
    assert "A &lt;study&gt; &amp; more" in html
    assert 'aria-label="Training and validation loss of b by epoch"' in html
    assert "{model}" not in html


def test_figures_of_the_whitening_are_shown_where_a_model_sees_whitened_images():
    html = render(inputs=["raw"])
    assert html.count("<svg ") == 6 + 3 * 4
    assert 'id="whitening"' not in html


def test_a_warning_is_at_the_top():
    html = render(warnings=["it spreads test images 2 times as wide"])
    notice = '<p class="notice">Warning: it spreads test images 2 times as wide.</p>'
    assert html.index(notice) < html.index("<nav")
    assert "Warning:" not in render()


def test_it_fetches_nothing():
    html = render({"a": ACCURACIES["a"]})
    names = re.findall(r"<text>(\w+)</text>", html)
    assert len(names) == 5 + 4 + 3
    links = [f"../figures/{name}.{suffix}" for name in names for suffix in ("svg", "png", "pdf")]
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', html) == [*TABLE_FILES, *links]  # files beside the page
    assert "@import" not in html
    assert not re.search(r"url\(", html)


def test_every_link_in_the_page_leads_somewhere():
    for html in (render(), render(seeds=1), render({"a": ACCURACIES["a"]})):
        targets = re.findall(r' id="([^"]+)"', html)
        assert len(targets) == len(set(targets))
        assert set(re.findall(r'href="#([^"]+)"', html)) <= set(targets)


def test_test_time_augmentation_is_shown_with_the_accuracy_without_it():
    assert "ithout test-time augmentation" not in render()
    html = render(averaged=["b"])
    headings, rows = rows_of(html)
    assert headings[4] == "without test-time augmentation, %"
    assert {model: cells[3] for model, cells in rows.items()} == {"b": "81.00", "a": "72.00", "c": "71.80"}
    assert "several views of it\n(flip)" in html


def test_models_that_are_trained_once_count_once_and_are_named():
    assert "0:15:00 of epochs in total" in render()
    html = render(of_run={"weights_digest": "the same"}, identical_trainings=[["a", "b", "c"]])
    assert "0:00:58 of epochs in total" in html
    assert "a, b, c are the same networks" in html
    html = render(same_as={"b": "a"})
    assert "Models that are another one by a second name are compared once: not b." in html


def test_a_study_without_validation_images_does_not_speak_of_them():
    html = render(of_run={"validation_images": 0}, validation=[])
    assert 'label="Validation loss and accuracy of all models' not in html
    assert "validation images included" not in html
    assert "on validation images nothing" not in html


@pytest.mark.parametrize(
    ("networks", "seeds", "text"),
    [
        (2, 2, "2 networks were trained 2 times each from different random starts (seeds) to tell"),
        (2, 1, "2 networks were trained once each to tell"),
        (1, 2, "One network was trained 2 times from different random starts (seeds) to tell"),
        (1, 1, "One network was trained once to tell"),
    ],
)
def test_the_introduction_says_what_was_done(networks, seeds, text):
    """Of three models, which may be the same network by other names."""
    table = a_study(ACCURACIES, range(1, seeds + 1))[2]
    assert page.introduction(table, 100, networks * seeds).startswith(text)


def test_published_figures_are_shown_where_there_are_any():
    assert "−3.00" in render()
    assert "ublished" not in render(published=None)


def test_a_published_accuracy_is_compared_with_one_more_run():
    assert "None of the published ones is outside." in render()
    assert "The published one of a is outside." in render({**ACCURACIES, "a": [0.60, 0.61, 0.62, 0.63, 0.64]})
    assert "one run" not in render(seeds=1)


def test_a_study_cut_short_says_so():
    assert "cut short" not in render()
    assert "epochs: at most 2" in render(limits={"epochs": 2})


def test_what_the_whitening_saw_is_said():
    assert "the validation images included" in render()
    assert "without the validation images" in render(fit_on="train")


def sentences(accuracies, seeds=5, **changes):
    _, comparisons, table = a_study(accuracies, range(1, seeds + 1), **changes)
    return page.summary(table, comparisons, "a", 1000)


def test_a_summary_with_seeds_enough():
    best, *rest = sentences(ACCURACIES)
    assert best.startswith("Of 3 models, b was most accurate: 82.00% of 1,000 test images (mean of 5 seeds;")
    assert rest[0] == "Better than the baseline, a: b (+10.00 points)."
    assert rest[1] == "With 5 seeds not distinguishable from the baseline, a: c (−0.20 points)."
    less = r"A true difference from the baseline of less than \d\.\d to \d\.\d points, .* is found with less than 80%"
    assert re.match(less, rest[2])
    assert rest[3] == "b is better than every other model on these images, of 3 comparisons."


def steps(accuracies, seeds=5, limited=False, **changes):
    _, comparisons, table = a_study(accuracies, range(1, seeds + 1), **changes)
    return page.next_steps(table, comparisons, limited)


def test_a_sentence_names_no_more_models_than_can_be_read():
    _, comparisons, table = a_study(ACCURACIES, range(1, 6))
    (longer,) = [step for step in page.next_steps(pd.concat([table] * 20), comparisons, False) if "longer" in step]
    assert f"the validation accuracy of {', '.join('b' * 10)} and 10 more was" in longer


LONGER = (
    "Train longer (`epochs`): the validation accuracy of b was still rising, by more than a point over the last fifth"
    " of the epochs."
)


def test_the_next_steps_are_those_that_would_say_more():
    assert steps(ACCURACIES) == [
        LONGER,
        "Add seeds to find smaller differences: four times as many find differences half as large.",
    ]
    few = "Add 3 more seeds to `seeds`: at least 5 are needed to show a difference here."
    assert steps(ACCURACIES, 2, limited=True) == [
        "Remove `limits` from the config: this study was cut short.",
        LONGER,
        few,
    ]
    assert steps({model: ACCURACIES[model] for model in "ab"}) == [LONGER]  # b is better: nothing to look closer at
    assert steps({"a": ACCURACIES["a"]}) == []
    assert steps({"a": ACCURACIES["a"]}, report_on="validation")[0].startswith("Once you have chosen a model, set")
    assert "Find out why c is near chance level" in steps(ACCURACIES | {"c": NEAR_CHANCE["c"]})[0]
    html = render()
    assert "<li>Train longer (<code>epochs</code>): the" in html
    assert "What to do next" not in render({"a": ACCURACIES["a"]})


def test_it_begins_in_words_that_need_no_statistics():
    html = render()
    words = "3 networks were trained 5 times each from different random starts (seeds) to tell classes of images apart"
    assert html.index(words) < html.index("was most accurate")
    assert "One network was trained once to tell classes of images apart, and" in render({"a": ACCURACIES["a"]}, 1)


def test_a_summary_of_ranks():
    tied = {"a": ACCURACIES["a"], "c": ACCURACIES["c"], "b": [0.5, 0.51, 0.52, 0.53, 0.54]}
    found = sentences(tied)
    assert "Worse than the baseline, a: b (−20.00 points)." in found
    assert found[-1] == "Not distinguishable from the best, a: c."
    of_many = {"a": ACCURACIES["a"], "b": ACCURACIES["b"]}
    _, comparisons, table = a_study(of_many, range(1, 6))
    assert page.summary(table, comparisons, "a", 100, tests=4)[-1] == (
        "Of the 1 next best, by tests corrected for all 4 pairs of models, b is better than each on these images."
    )


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_summary_with_too_few_seeds(seeds):
    """With three seeds the smallest p of the permutation test is 0.1, however far apart the models are."""
    found = sentences(ACCURACIES, seeds)
    assert found[1].startswith(f"{seeds} seeds are too few to say which models differ from the baseline, a:")
    assert "These 2 comparisons need at least 5 seeds." in found[1]
    assert found[2] == (
        "Possibly different (their interval, which is not corrected, excludes zero): b (+10.00 points)."
    )
    assert not any("Better" in sentence for sentence in found)


def test_an_interval_that_is_too_wide_to_tell_makes_no_difference_possible():
    _, few, *rest = sentences({"a": [0.2, 0.22], "b": [0.8, 0.86], "c": [0.4, 0.41]}, seeds=2)
    assert "2 seeds are too few" in few
    assert rest[0].endswith("excludes zero): c (+19.50 points).")


def test_a_summary_of_one_seed():
    found = sentences(ACCURACIES, seeds=1)
    assert "no model is said to be better or worse" in found[1]
    assert "McNemar's test finds these networks to differ from that of the baseline, a" in found[2]
    assert ": b (+10.00 points) and c (−1.00 points). That is about these trained networks" in found[2]
    html = render(seeds=1)
    assert "It says nothing about other" in html
    assert "too few seeds" not in "".join(re.findall("<t[dh].*?</t[dh]>", html))  # a row has no verdict to repeat
    assert html.count("no model is said to be better or worse") == 1


NEAR_CHANCE = {
    "a": [0.1, 0.101, 0.099, 0.1, 0.1],
    "b": [0.09, 0.091, 0.089, 0.09, 0.09],
    "c": [0.1, 0.1, 0.1, 0.1, 0.1],
}


@pytest.mark.parametrize("seeds", [1, 5])
def test_models_that_are_all_at_chance_are_not_ranked(seeds):
    (only,) = sentences(NEAR_CHANCE, seeds)
    assert only.startswith("No model is shown to be above chance level (10.00%), the accuracy of always")
    assert "they classify 9.00 to 10.00% of 1,000 test images correctly, so they can't be ranked." in only
    html = render(NEAR_CHANCE, seeds)
    assert "Better" not in html and "at chance" in html
    assert ("both at chance" in html) == (seeds == 5)


def test_some_models_at_chance_are_named():
    assert sentences(ACCURACIES | {"c": NEAR_CHANCE["c"]})[1] == "Not shown to be above chance level (10.00%): c."


FAMILY = {
    "title": "The <parts>",
    "description": "One at a time.",
    "kind": "ablate",
    "of": "b",
    "rows": {"a": {"flip": "none"}, "c": {"decay": 1e-4}},
    "labels": {"a": "flip none", "c": "decay 0.0001"},
    "compared": ["a", "c"],
    "left_out": ["channels can't be put back by itself: it isn't"],
}


def test_a_family_has_a_heading_words_a_figure_and_its_comparisons():
    html = render(families={"parts": FAMILY, "rates": FAMILY | {"kind": "grid", "title": "Rates", "compared": ["a"]}})
    section = html[html.index('<h3 id="family-parts">') : html.index('<h3 id="family-rates">')]
    assert "The &lt;parts&gt;" in section
    assert "Worse than b: a (−10.00 points) and c (−10.20 points)." in section
    assert "Without a row: channels can&#39;t be put back by itself: it isn&#39;t." in section
    assert 'aria-label="Differences of accuracy without each ingredient of parts' in section
    assert "The 2 comparisons with b" in section
    assert "The comparison with b" in html
    assert section.count('<tr id="of-parts-') == 2
    rates = html[html.index('<h3 id="family-rates">') : html.index('<h2 id="settings">')]
    assert 'aria-label="Test accuracy over the settings of the grid rates"' in rates
    assert "ingredient" not in rates
    assert "1 of them is b itself, trained once and compared with nothing." in rates
    assert "corrected (Holm) over the comparisons of its own table" in html
    assert 'href="#families"' not in render()


def test_a_report_on_validation_images_says_so_everywhere():
    html = render(report_on="validation", looks={"validation": {"x": "a", "y": "b"}})
    assert "no test image was read" in html
    assert "Validation accuracy. Each point is a seed" in html
    headings, _ = rows_of(html)
    assert headings[1:4] == [
        "validation accuracy, %",
        "training accuracy, last epoch, %",
        "95% interval, new images, %",
    ]
    assert "of 100 validation images (mean of 5 seeds" in html
    assert "2 on validation images,\nnone on test images" in html
    assert "are among\nthose that it is fitted on (their pixels, not their labels)" in html
    assert "<dt>Test images</dt><dd>not read</dd>" in html
    for fit in ({"fit_on": "train"}, {"inputs": ["raw"]}):
        assert "those that it is fitted on" not in render(report_on="validation", **fit)
    leaked = ("test accuracy, %", "test loss", "Test accuracy", "these test images", "2e")
    assert [words for words in leaked if words in html] == []
    assert "opens the test set, once, at the end" in html
    opened = render(report_on="validation", looks={"validation": {"x": "a"}, "test": dict.fromkeys("123", "a")})
    assert "was read for it, though 3 models were compared on them in this folder before" in opened
    assert "opens the test set" not in opened
    assert "7 on validation images,\n3 on test images" in render(
        looks={"validation": dict.fromkeys("1234567", "a"), "test": dict.fromkeys("123", "a")}
    )


def test_a_revision_that_does_not_reproduce_is_said():
    assert "The revision of the code is unknown" in render()


@pytest.mark.parametrize(
    ("facts", "own"),
    [({}, False), ({"dataset": "folder"}, True), ({"config": "models: {m: {architecture: my/net.py}}\n"}, True)],
)
def test_files_of_the_user_that_it_takes_to_reproduce_are_named(facts, own):
    assert ("beside it the files of yours that it names" in render(**facts)) is own


def test_one_model_alone_is_compared_with_nothing():
    assert len(sentences({"a": ACCURACIES["a"]})) == 1
    assert 'id="comparisons"' not in render({"a": ACCURACIES["a"]})


def test_what_is_too_wide_to_tell_anything_is_said_in_words():
    html = render({"a": [0.1, 0.9], "b": [0.5, 0.51]}, seeds=2)
    _, rows = rows_of(html)
    assert "too wide to tell" in rows["a"][3] and "too wide to tell" in rows["b"][4]
    assert "100.00%" not in html and "to +100" not in html
    (found,) = [line for line in sentences({"a": [0.7] * 5, "b": [0.8] * 5}) if "missed" in line]
    assert found == "The seeds of each model agree to 0.1 points: what size of difference is missed is not known."
    assert not any("0.0 points" in line for line in sentences({"a": [0.7] * 5, "b": [0.8] * 5}))


def test_the_load_of_the_machine_is_said_where_it_is_known():
    assert "<dt>Load</dt>" not in render()
    assert "<dt>Load</dt><dd>3.5 processes on 2 CPUs (" in render(of_run={"load": 3.5, "cpus": 2})


def test_figures_of_many_models_have_the_width_of_the_page(monkeypatch):
    wide = '<figure class="wide">'
    before = render().count(wide)
    monkeypatch.setattr(page, "MANY", 2)
    assert render().count(wide) > before
