"""What two studies differ in, and how accuracy moved: made-up results of planned studies."""

import shutil

import numpy as np
import pytest

from ablation import files, keys, plan
from ablation.errors import InputError
from ablation.report import diff, statistics
from ablation.settings import check, specs

CONFIG = {
    "title": "x",
    "dataset": {"name": "digits"},
    "training": {"device": "cpu"},
    "seeds": [1, 2, 3, 4, 5],
    "defaults": {"channels": [8, 8, 8, 8]},
    "models": {"a": {}, "b": {"dropout": [0, 0, 0]}},
}
RIGHT = {"a": 0.8, "b": 0.8}  # of 200 images, give or take what differs between seeds
VERSIONS = {"python": "3.11.7", "keras": "3.15.1"}


def finish(results, right=RIGHT, images=200, versions=VERSIONS, only=None, **changes):
    """Write the results of a study of CONFIG with other sections, whose models are right so often; `only` of these."""
    schema = specs.load_schema()
    config = check.validate_and_fill({**CONFIG, **changes}, schema)
    planned = plan.Plan(config, schema, results, results / "digests.json")
    files.write_json(results / "report/study.json", planned.study)
    labels = np.arange(images) % 4
    for model, by_seed in planned.evaluations.items():
        for seed in by_seed if only is None or model in only else ():
            folder, made_from = results / f"runs/{model}/seed{seed}", planned.trainings[model]
            correct = np.random.default_rng([int(1000 * right[model]), seed]).random(images) < right[model]
            predicted = np.where(correct, labels, (labels + 1) % 4)
            files.write_npz(
                folder / "predictions.npz", probabilities=np.eye(4)[predicted], predicted=predicted, labels=labels
            )
            rows = f"1,{right[model] + seed / 1000}\n"
            training = results / planned.training_path(model, seed)
            for path in (folder, training):
                files.write_text(path / "history.csv", f"epoch,val_accuracy\n{rows}")
            trained = {
                "spec": specs.model_spec(config, model).settings,
                "versions": versions,
                "git_revision": "0123456789" * 4 + "-dirty",
                "device": "CPU, 1 thread",
                "precision": "float32",
                "train_digest": "1f" * 32,
                "history_digest": files.file_digest(training / "history.csv"),
                "weights_digest": f"{planned.training_keys[model]} {seed}",
            }
            record = {"key": keys.key_of(made_from), "made_from": made_from, **trained}
            files.write_record(folder / "training.json", record)
            files.write_record(training / "training.json", record)
            files.write_record(
                folder / "metrics.json",
                {
                    **trained,
                    "key": keys.key_of(by_seed[seed]),
                    "made_from": by_seed[seed],
                    "predictions_digest": files.file_digest(folder / "predictions.npz"),
                    "history_digest": files.file_digest(folder / "history.csv"),
                    f"{config['report_on']}_digest": f"{images:064d}",
                },
            )
    return results


def printed(a, b):
    lines = list(diff.lines(str(a), str(b)))
    assert max(map(len, lines)) <= 80
    return "\n".join(lines)


def row(text, model):
    return next(" ".join(line.split()) for line in text.splitlines() if line.startswith(f"{model} "))


def test_a_study_is_as_it_is(tmp_path):
    text = printed(finish(tmp_path / "x"), tmp_path / "x/report/study.json")
    assert [f"{kind}: the same" in text for kind in ("settings", "data", "code", "versions")] == [True] * 4
    assert row(text, "a").endswith("+0.00 the same answers") and row(text, "b").endswith("+0.00 the same answers")
    assert "Verdicts" not in text


def test_what_differs_is_named_with_its_models(tmp_path, monkeypatch):
    a = finish(tmp_path / "a")
    code_of = keys.code_of
    monkeypatch.setattr(
        plan,
        "code_of",
        lambda *modules: code_of(*modules) | ({"syntax": "edited"} if "ablation.training.run" in modules else {}),
    )
    models = {"a": {"optimizer": "sgd"}, "b": {"dropout": [0, 0, 0.5]}}
    b = finish(tmp_path / "b", models=models, versions=VERSIONS | {"keras": "4"}, limits={"train_images": 900})
    text = printed(a, b)
    assert "  all models: train_images – -> 900\n" in text
    assert "  a: optimizer adadelta -> sgd\n" in text and "  a: momentum – -> 0.9\n" in text
    assert "  b: dropout 0-0-0 -> 0-0-0.5\n" in text
    assert "code:\n  b: training\n" in text  # of a, other modules are used
    assert "versions:\n  all models: keras 3.15.1 -> 4\n" in text
    assert "data: the same\n" in text and "a: weight_decay" not in text  # which is off


def test_accuracy_moves_with_the_interval_and_verdict_of_the_statistics(tmp_path):
    a, b = finish(tmp_path / "a"), finish(tmp_path / "b", {"a": 0.9, "b": 0.8})
    text = printed(a, b)
    scores = {}
    for side in (a, b):
        runs = [np.load(side / f"runs/a/seed{seed}/predictions.npz") for seed in CONFIG["seeds"]]
        correct = np.array([run["predicted"] == run["labels"] for run in runs])
        scores[side.name] = statistics.SeedScores.from_correct(correct)
    (expected,) = statistics.compare_pairs({"x": [("b", "a")]}, scores).to_dict("records")
    low, high = (f"{100 * expected[end]:+.2f}" for end in ("low", "high"))
    difference = f"{100 * expected['difference']:+.2f}"
    assert row(text, "a").endswith(f"{difference} {low} to {high} better")
    assert "corrected for 1 test (Holm)" in text.replace("\n", " ")  # b has the same answers and is not tested
    assert row(printed(b, a), "a").endswith("worse")


def test_one_training_of_two_names_is_tested_once(tmp_path):
    """The correction is for as many tests as there are, not for as many rows."""
    models = {"a": {}, "twin": {}, "b": {"epochs": 5}}
    a = finish(tmp_path / "a", dict.fromkeys(models, 0.7), models=models)
    b = finish(tmp_path / "b", {"a": 0.9, "twin": 0.9, "b": 0.8}, models=models)
    text = printed(a, b)
    assert "corrected for 2 tests (Holm)" in text.replace("\n", " ")
    assert row(text, "twin").removeprefix("twin") == row(text, "a").removeprefix("a")


def test_what_is_not_trained_is_unknown_not_the_same(tmp_path):
    text = printed(finish(tmp_path / "a", only=[]), finish(tmp_path / "b", only=[]))
    assert "unknown: a (not trained in A and B), b (not trained in A and B)" in text
    assert "the same" not in text


def test_another_whitening_is_a_difference_of_settings(tmp_path):
    text = printed(finish(tmp_path / "a"), finish(tmp_path / "b", whitening={"epsilon": 0.1}))
    assert "all models: whitening epsilon 1e-06 -> 0.1" in " ".join(text.split())
    assert "(val)" not in text  # all are evaluated


def test_a_verdict_that_new_images_do_not_share_says_so(tmp_path, monkeypatch):
    compare = statistics.compare_pairs

    def compared(*arguments):
        return compare(*arguments).assign(verdict="better", population_verdict="not distinguishable")

    monkeypatch.setattr(statistics, "compare_pairs", compared)
    text = printed(finish(tmp_path / "a"), finish(tmp_path / "b", right={"a": 0.9, "b": 0.8}))
    assert "better; on new images not distinguishable" in " ".join(text.split())


def test_models_are_matched_by_name_then_by_settings(tmp_path):
    a = finish(tmp_path / "a", {"a": 0.8, "b": 0.8, "gone": 0.8}, models={**CONFIG["models"], "gone": {"epochs": 3}})
    long = "b_" + "abcdefghij" * 6
    models = {"a": {}, "new": {"epochs": 4}, long: CONFIG["models"]["b"]}
    b = finish(tmp_path / "b", {"a": 0.8, "new": 0.8, long: 0.8}, models=models)
    text = printed(a, b)
    assert "only in A: gone\n" in text and "only in B: new\n" in text
    assert "renamed: b -> b_abc" in text.replace("\n  ", " ") and "settings: the same" in text
    assert "the same answers" in row(text, "b")
    assert f"{long}\n" in printed(b, a)  # above its figures


def test_studies_without_a_common_model_are_not_called_the_same(tmp_path):
    finish(tmp_path / "a")
    finish(tmp_path / "b", models={"c": {"channels": [4, 4, 4, 4]}}, right={"c": 0.8})
    found = "\n".join(diff.lines(str(tmp_path / "a"), str(tmp_path / "b")))
    assert "only in A: a, b" in found and "only in B: c" in found
    assert "A and B have no model in common" in found
    assert "the same" not in found


def test_an_edited_history_is_refused(tmp_path):
    finish(tmp_path / "a")
    finish(tmp_path / "b")
    shutil.rmtree(tmp_path / "b/runs")
    path = next((tmp_path / "b").glob("trainings/*/seed1/history.csv"))
    path.write_text(path.read_text().replace("0.8", "0.9"))
    with pytest.raises(InputError, match=r"history\.csv: does not match the digest in training\.json; delete it"):
        list(diff.lines(str(tmp_path / "a"), str(tmp_path / "b")))


def test_seeds_that_both_have_are_compared(tmp_path):
    text = printed(finish(tmp_path / "a"), finish(tmp_path / "b", {"a": 0.9, "b": 0.9}, seeds=[2, 4, 9]))
    assert "seeds: 1, 2, 3, 4, 5 -> 2, 4, 9" in text and "mean over seeds 2, 4\n" in text
    assert row(text, "a").endswith("too few seeds")
    one = printed(finish(tmp_path / "c", seeds=[7]), finish(tmp_path / "d", {"a": 0.9, "b": 0.9}, seeds=[8]))
    assert "mean over seed 7, and 8\n" in one and "these two networks, on new images" in one


def test_other_images_have_an_unpaired_interval_and_no_verdict(tmp_path):
    a, b = finish(tmp_path / "a"), finish(tmp_path / "b", {"a": 0.9, "b": 0.9}, 120, limits={"test_images": 120})
    text = printed(a, b)
    assert "all models: test images" in text and "all models: test_images – -> 120" in text
    assert row(text, "a").count(" to ") == 1 and not row(text, "a").endswith(("better", "distinguishable"))
    assert "there is no verdict" in text.replace("\n", " ")


def test_another_time_is_a_copied_study_json(tmp_path):
    """What was overwritten since is compared by the validation accuracy of the trainings, which their keys keep."""
    finish(tmp_path / "x")
    shutil.copy(tmp_path / "x/report/study.json", tmp_path / "before.json")
    finish(tmp_path / "x", {"a": 0.9, "b": 0.8}, models={"a": {"epochs": 3}, "b": CONFIG["models"]["b"]})
    text = printed(tmp_path / "before.json", tmp_path / "x")
    assert "a: epochs 80 -> 3" in text
    assert row(text, "a") == "a 80.30 90.30 +10.00 +9.77 to +10.23 (val)"
    assert "the same answers" in row(text, "b")
    assert printed(tmp_path / "x", tmp_path / "before.json").count("(val)") == 2
    shutil.rmtree(next(tmp_path.glob("x/trainings/*/seed3/history.csv")).parents[1])
    finish(tmp_path / "y", only=["a"])
    assert "b (not trained in B)" in printed(tmp_path / "x", tmp_path / "y")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("nix", "x"), "nix: no such file; name the folder of a study's results, or a study.json"),
        (("x/runs", "x"), "x/runs: no study there: it has no report/study.json; name the folder"),
        (("one.json", "one.json"), "one.json, one.json: both are copies; name the folder of the results as one of"),
        (("x/runs/a/seed1/history.csv", "x"), "truncated or corrupt JSON"),
    ],
)
def test_what_is_no_study_is_one_line(tmp_path, monkeypatch, names, message):
    monkeypatch.chdir(tmp_path)
    shutil.copy(finish(tmp_path / "x") / "report/study.json", "one.json")
    with pytest.raises(diff.InputError, match=message.replace(".", "[.]")):
        printed(*names)
