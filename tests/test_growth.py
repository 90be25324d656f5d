"""What is computed, shown and read of more models than anybody looks at, and of many seeds."""

import io
import logging
import runpy
from math import comb
from types import SimpleNamespace

import measure
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_answers import LABELS, study_of
from test_page import FACTS, render

from ablation.report import answers, figures, page, progress, statistics, status, terminal
from ablation.report.outputs import Outputs
from ablation.report.study import Study
from ablation.report.wording import FEW, ROWS, TOP
from conftest import FIGURES_OF_MODEL, ROOT, Checkout
from test_progress import Made
from test_statistics import runs_with

MODELS = [f"m{number}" for number in range(FEW + 1)]


@pytest.fixture
def few(monkeypatch):
    """Let twenty models be few."""
    for module in (answers, statistics):
        monkeypatch.setattr(module, "FEW", 20)
    return 20


def means_of(models):
    """Return accuracies by model, in another order than that of the models."""
    return {f"m{number}": 0.5 + 0.01 * (number * 5 % models) for number in range(models)}


def best_of(means):
    return sorted(means, key=means.get, reverse=True)[:TOP]


@pytest.mark.parametrize("seeds", [3, 5, 10])  # all splits, and random ones from ten seeds on
def test_the_permutation_test_is_scipys(seeds):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 8, (2, 6, seeds)).astype(float)  # with ties
    a[0], b[1] = b[0], a[1] + 10
    expected = stats.permutation_test(
        (a, b),
        lambda a, b, axis: a.sum(axis=axis) - b.sum(axis=axis),
        vectorized=True,
        n_resamples=statistics.PERMUTATIONS,
        batch=10_000,
        axis=1,
        rng=np.random.default_rng(0),
    ).pvalue
    found, smallest = statistics._permutation_test(a, b, len(a))
    assert found.tolist() == expected.tolist()
    assert smallest == pytest.approx(expected.min(), abs=1e-4)


def test_of_many_models_the_best_are_compared_with_each_other_and_p_allows_for_the_choice(few):
    """Their p are of as many tests as there are pairs of all models, whichever of them are shown."""
    means = means_of(few + 1)
    scores = {name: runs_with([mean + 0.001 * seed for seed in range(9)]) for name, mean in means.items()}
    scores["twin"] = runs_with([0.99] * 9)
    table = statistics.comparisons(scores, "m0", same_as={"twin": "m1"})
    by_family = dict(list(table.groupby("family")))
    assert sorted(by_family["baseline"]["model"]) == sorted(set(means) - {"m0"})
    pairs, every = by_family["pairs"], comb(few + 1, 2)
    assert {*pairs["model"], *pairs["reference"]} == set(best_of(means))
    assert len(pairs) == comb(TOP, 2)
    assert pairs["p_holm"].tolist() == np.minimum(pairs["p"] * every, 1).tolist()
    assert pairs["min_attainable_p"].iloc[0] == 2 / comb(18, 9)
    assert set(pairs["verdict"]) == {"better", "worse"}


def test_few_models_are_all_compared(few):
    scores = {name: runs_with([mean] * 2) for name, mean in means_of(few).items()}
    assert (statistics.comparisons(scores, "m0")["family"] == "pairs").sum() == comb(few, 2)


def test_predictions_of_many_models_are_those_of_the_best_one_and_the_baseline(few, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.tile(LABELS, 20)
    predicted = {
        name: [np.where(rng.random(labels.size) < mean, labels, (labels + 1) % 3)] * 2
        for name, mean in means_of(few + 1).items()
    }
    study = study_of(predicted, labels)
    study.baseline = "m0"
    found = answers.collate(study, tmp_path / "predictions.csv.gz")
    ordered = sorted(predicted, key=lambda name: (-found.scores[name].accuracy, name))
    table = pd.read_csv(tmp_path / "predictions.csv.gz", compression="gzip")
    assert set(table["model"]) == {"m0", ordered[0]}
    assert len(table) == 2 * 2 * labels.size
    assert found.classes["model"].nunique() == len(predicted)


def test_the_page_of_many_models_shows_the_best_one_by_one_and_all_in_its_table(monkeypatch):
    for module in (figures, page, statistics):
        monkeypatch.setattr(module, "FEW", 2)
        monkeypatch.setattr(module, "TOP", 2)
    html = render({"a": [0.7] * 3 + [0.71] * 2, "b": [0.8] * 3 + [0.81] * 2, "c": [0.6] * 3 + [0.61] * 2})
    assert [f'<tr id="row-{name}">' in html for name in "abc"] == [True] * 3
    assert [f'id="model-{name}"' in html for name in "abc"] == [True, True, False]
    assert 'href="#model-c"' not in html
    assert [f"<text>loss_{place}</text>" in html for place in "123"] == [True, True, False]
    assert "Of the 1 next best, by tests corrected for all 3 pairs of models, b is better" in html
    assert "The 1 pairs of the models with the highest accuracies" in html


def test_figures_of_many_models_are_called_by_their_places():
    facts = FACTS | {"models": {name: {} for name in MODELS}, "baseline": "m0"}
    assert figures.names("loss", facts) == [*map(str, range(1, TOP + 1)), "m0"]
    drawn = []
    module = SimpleNamespace(draw=lambda study, of: drawn.append(of) or SimpleNamespace(findobj=lambda match: []))
    study = SimpleNamespace(models=MODELS, accuracies=pd.DataFrame({"model": ["m5", "m3"]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "import_module", lambda name: module)
        figures.draw("loss", study, "2")
        figures.draw("loss", study, "m0")
    assert drawn == ["m3", "m0"]


def test_a_finished_training_is_all_that_a_run_looks_at(tmp_path, schema, monkeypatch):
    made = Made(tmp_path, schema, seeds=list(range(1, 11)))
    key, looked = made.plan.training_keys["large"], []
    look = progress.Progress._training
    monkeypatch.setattr(progress.Progress, "_training", lambda self, *which: looked.append(which) or look(self, *which))
    handler = terminal.Terminal(made.plan, logging.StreamHandler(io.StringIO()), "", dry_run=False)
    handler._on_run(SimpleNamespace(stats={"train": 20, "total": 20}))
    assert len(looked) == 20
    for number, seed in ((1, "1"), (2, "2")):
        handler._on_start(SimpleNamespace(rule_name="train", jobid=number, wildcards={"key": key, "seed": seed}))
    looked.clear()
    made.train("large", 1, 240)
    made.save("large", 2, 5)
    handler._on_end(SimpleNamespace(job_id=1))
    assert sorted(looked) == [(key, 1), (key, 2)]  # and what runs beside it
    said = handler.other.stream.getvalue().splitlines()[-1]
    assert said == f"study: {made.progress().sentence(2)}"


def test_a_figure_of_many_models_has_the_best_and_the_baseline(monkeypatch, tmp_path):
    means = means_of(len(MODELS))
    of_seeds = {"seeds": [1], "baseline": "m3", "report_on": "test", "models": means}
    study = Study({"facts": of_seeds}, tmp_path)
    study.accuracies = pd.DataFrame({"model": sorted(means, key=means.get, reverse=True)})
    shown = []
    monkeypatch.setattr(
        figures,
        "import_module",
        lambda name: SimpleNamespace(
            draw=lambda study: shown.append(study) or SimpleNamespace(findobj=lambda match: [])
        ),
    )
    figures.draw("classes", study)
    kept = {"m3", *study.accuracies["model"].head(ROWS)}
    assert set(shown[0].models) == set(shown[0].accuracies["model"]) == kept
    assert shown[0].models == [model for model in MODELS if model in kept]
    assert len(study.models) == len(study.accuracies) == FEW + 1


def test_the_table_of_many_models_on_the_terminal_is_that_of_the_best(tmp_path):
    rows = [{"model": model, "images": "test", "accuracy": 0.5, "accuracy_sd": "", "verdict": ""} for model in MODELS]
    path = tmp_path / "accuracy.csv"
    for number, more in ((FEW, []), (FEW + 1, [f"and {FEW + 1 - ROWS} more: {path}"])):
        pd.DataFrame(rows[:number]).assign(baseline_difference=0.1).to_csv(path, index=False)
        shown = [line.split()[0] for line in terminal.table(path, "")[1:]]
        assert shown == ([*MODELS[:ROWS], "and"] if more else MODELS[:number])
        assert terminal.table(path, "")[len(shown) + 1 - len(more) :] == more


def test_a_plan_of_many_models_times_ten_and_says_of_how_many_the_pace_is_not_known(tmp_path, schema, monkeypatch):
    from ablation.training import pace

    grid = {"grid": {"of": "m", "learning_rate": [0.003 * number for number in range(1, FEW + 1)]}}
    made, asked = Made(tmp_path, schema, models={"m": {}, "rates": grid}), []
    timed = {"seconds": 1.0, "bytes": 10}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        pace, "time_trainings", lambda specs, *_, **__: asked.extend(specs) or [(key, timed) for key in specs]
    )
    program = runpy.run_path(str(ROOT / "scripts/status.py"))
    for _ in range(2):  # what was timed once is remembered
        program["time_what_is_unknown"](made.plan, status.images_of(made.plan))
    keys = list(made.plan.models_trained_as)
    assert len(asked) <= TOP
    assert [keys.index(key) for key in asked] == list(range(0, FEW + 1, 11))
    lines = status.forecast(made.plan, status.images_of(made.plan))
    assert f"({FEW + 1 - len(asked)} models of unknown pace: the mean of the others)" in lines


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A checkout with a study of many models, finished without work."""
    checkout = Checkout(tmp_path_factory.mktemp("many"))
    rates = [round(0.01 * number, 2) for number in range(1, FEW + 1)]
    config = {
        "title": "Many",
        "dataset": {"name": "digits"},
        "seeds": [1],
        "defaults": {"input": "raw"},
        "models": {"m": {}, "rates": {"grid": {"of": "m", "learning_rate": rates}}},
    }
    measure.finish_without_work(checkout.path, [checkout.write("config.yaml", config)])
    return checkout


def test_a_finished_study_of_many_models_has_nothing_to_do(many):
    assert many.jobs() == set()
    path = many.path / "results/figures/loss_2.png"
    path.unlink()
    assert many.jobs() == {"plot_loss 2"}
    path.write_text("of other runs")
    assert many.jobs() == {"plot_loss 2"}
    (many.path / "results/runs/m/seed1/metrics.json").unlink()
    jobs = many.jobs()
    assert {"evaluate m 1", "compare", "report"} <= jobs
    assert {job for job in jobs if job.startswith("plot_loss")} == {
        f"plot_loss {of}" for of in figures.names("loss", {"models": range(FEW + 1), "baseline": "m"})
    }


def test_a_figure_of_a_few_models_is_drawn_without_a_look_at_other_runs(tmp_path):
    study = {
        "facts": FACTS | {"models": {"a": {}, "b": {}, "c": {}}},
        "images": "images.npz",
        "whitened": None,
        "evaluations": {model: {"1": "0"} for model in "abc"},
        "trainings": dict.fromkeys("abc", "0"),
    }
    outputs = Outputs(study, tmp_path)
    for name in FIGURES_OF_MODEL:
        assert outputs.figure(name, "b") is None
    assert set(outputs._found) == {"a", "b"}
    assert outputs.figure("curves", tables="0123456789abcdef") is not None
    assert set(outputs._found) == {"a", "b"}
