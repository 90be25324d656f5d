"""A study's results are read only where they are what the study was planned with."""

from types import SimpleNamespace

import numpy as np
import pytest

from ablation import files
from ablation.errors import InputError
from ablation.keys import key_of
from ablation.report.study import Study, confusion_counts, read_table, study_path

LABELS = [0, 1]
PREDICTED = {("b", 2): [0, 1], ("b", 1): [2, 2], ("a", 2): [0, 2], ("a", 1): [1, 1]}


def write_run(results, model, seed, predicted, labels=LABELS, **changes):
    folder = results / f"runs/{model}/seed{seed}"
    files.write_npz(
        folder / "predictions.npz",
        probabilities=np.eye(3, dtype=np.float16)[predicted],
        predicted=np.array(predicted),
        labels=np.array(labels),
    )
    files.write_text(folder / "history.csv", f"epoch,loss\n1,{seed}\n")
    metrics = {
        "key": f"key of {model} {seed}",
        "model": model,
        "seed": seed,
        "predictions_digest": files.file_digest(folder / "predictions.npz"),
        "history_digest": files.file_digest(folder / "history.csv"),
    }
    files.write_record(folder / "metrics.json", metrics | changes)


def write_study(results, study):
    study.pop("key", None)
    files.write_json(results / "report/study.json", {**study, "key": key_of(study)})


@pytest.fixture
def results(tmp_path):
    """Results of two models in an order that is not the alphabet's, with two seeds in an order that is not theirs."""
    study = {
        "facts": {"report_on": "test", "models": {"b": {}, "a": {}}, "seeds": [2, 1], "baseline": "b"},
        "evaluations": {model: {str(seed): f"key of {model} {seed}" for seed in (2, 1)} for model in "ba"},
    }
    write_study(tmp_path, study)
    for (model, seed), predicted in PREDICTED.items():
        write_run(tmp_path, model, seed, predicted)
    return tmp_path


def read(results):
    return Study.read(results / "report/study.json")


def test_runs_by_model_in_the_order_of_the_config(results):
    study = read(results)
    assert study.models == ["b", "a"]
    assert study.labels.tolist() == LABELS
    assert [(run["model"], run["seed"]) for run in study.metrics] == [("b", 2), ("b", 1), ("a", 2), ("a", 1)]
    assert [run["seed"] for run in study.metrics_of("a")] == [2, 1]
    predictions = study.predictions("b")
    assert predictions.predicted.tolist() == [[0, 1], [2, 2]]
    assert predictions.probabilities.shape == (2, 2, 3)
    assert [history["loss"].item() for history in study.histories("a")] == [2, 1]


@pytest.mark.parametrize(
    ("report_on", "names"), [("test", ["t0", "t1"]), ("validation", ["t3", "t4"]), ("none", ["", ""])]
)
def test_mistakes_name_the_files_of_the_images(results, report_on, names):
    study = files.read_json(results / "report/study.json")
    study["facts"]["report_on"], study["images"] = report_on.replace("none", "test"), "images.npz"
    write_study(results, study)
    of_five = np.array([] if report_on == "none" else [f"t{n}" for n in range(5)], dtype=str)
    classes = np.array(["cat", "dog", "frog"])
    files.write_npz(results / "images.npz", train_files=of_five, test_files=of_five[:4], class_names=classes)
    for seed, sure in ((1, 0.8), (2, 0.3)):  # of the second image, which both get wrong; the first only seed 1
        write_run(results, "a", seed, [1, 2] if seed == 1 else [0, 2])
        path = results / f"runs/a/seed{seed}/predictions.npz"
        probabilities = np.array([[0, 1, 0] if seed == 1 else [0.5, 0.5, 0], [0, 0.2, sure]], dtype=np.float16)
        files.write_npz(
            path, probabilities=probabilities, predicted=probabilities.argmax(axis=1), labels=np.array(LABELS)
        )
        record = files.read_record(results / f"runs/a/seed{seed}/metrics.json")
        files.write_record(
            results / f"runs/a/seed{seed}/metrics.json",
            {key: value for key, value in record.items() if key != "digest"}
            | {"predictions_digest": files.file_digest(path)},
        )
    mistakes = read(results).mistakes("a")
    assert mistakes.to_dict("list") == {
        "image": [0, 1],
        "file": names,
        "class": ["cat", "dog"],
        "predicted": ["dog", "frog"],
        "probability": [0.75, pytest.approx(0.55, abs=1e-3)],
        "seeds_wrong": [1, 2],
    }


@pytest.mark.parametrize(
    ("report_on", "expected"), [("test", ["copies", "both", "models with input zca: wide"]), ("validation", ["both"])]
)
def test_warnings_are_those_of_the_images_reported_on(results, report_on, expected):
    study = files.read_json(results / "report/study.json")
    study["facts"] |= {"report_on": report_on, "source_warning": "not the official ones"}
    write_study(results, study | {"images": "images.npz", "whitened": "zca.npz"})
    files.write_record(results / "images.json", {"repeats": {"test": "copies", "train": "both"}})
    files.write_record(results / "zca.json", {"warning": "wide"})
    assert read(results).warnings == ["the images are not the official ones", *expected]


def test_other_images_are_refused(results):
    write_run(results, "a", 1, [0, 1], labels=[0, 2])
    with pytest.raises(InputError, match=r"a/seed1/predictions\.npz: is of other images"):
        read(results).predictions("a")


@pytest.mark.parametrize(
    ("name", "read_it"),
    [("predictions.npz", lambda study: study.predictions("a")), ("history.csv", lambda study: study.histories("a"))],
)
def test_files_of_another_run_are_refused(results, name, read_it):
    path = results / "runs/a/seed1" / name
    path.write_bytes((results / "runs/b/seed1" / name).read_bytes() + b"\n")
    with pytest.raises(InputError, match=rf"a/seed1/{name}: does not match the digest in metrics\.json"):
        read_it(read(results))


def test_runs_that_were_not_planned_are_refused(results):
    path = results / "runs/a/seed1/metrics.json"
    files.write_record(path, files.read_json(path) | {"key": "of other settings"})
    with pytest.raises(
        InputError, match=r"a/seed1/metrics\.json: is from other settings, data or code than the study's"
    ):
        read(results).metrics_of("a")


def test_a_run_edited_by_hand_is_refused(results):
    path = results / "runs/a/seed1/metrics.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 1, "test_accuracy": 0.99'))
    with pytest.raises(InputError, match=r"a/seed1/metrics\.json: was changed after it was written; delete it"):
        read(results).metrics_of("a")


def test_a_study_that_was_changed_is_refused(results):
    path = results / "report/study.json"
    path.write_text(path.read_text().replace('"baseline": "b"', '"baseline": "a"'))
    with pytest.raises(InputError, match="study.json: was changed after it was written; delete it and run again"):
        read(results)


@pytest.mark.parametrize("content", ['{"test": 3}', '{"test": [', "[]"])
def test_broken_looks_are_one_line(results, content):
    (results / "report/looks.json").write_text(content)
    with pytest.raises(InputError, match="looks.json: .*; delete it and run again"):
        read(results).log_look()


def test_a_figure_of_other_results_is_refused(results):
    study = read(results)
    study.__dict__["outputs"] = SimpleNamespace(figures={"loss_a": "0123456789abcdef"})
    files.write_text(results / "figures/loss_a.svg", "SVG 0123456789abcdef")
    assert study.figure("loss_a") == "SVG 0123456789abcdef"
    (results / "figures/loss_a.svg").write_text("SVG 0123456789abc")
    with pytest.raises(InputError, match="loss_a.svg: was made from other results, or cut short; delete it and run"):
        study.figure("loss_a")
    (results / "figures/loss_a.svg").unlink()
    with pytest.raises(InputError, match="loss_a.svg: no such file"):
        study.figure("loss_a")


def test_a_folder_in_the_place_of_a_result_is_one_line(results):
    path = results / "runs/a/seed1/history.csv"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="history.csv: is a folder, not file; delete it and run again"):
        read(results).histories("a")


def test_a_run_s_metrics_are_read_once(results, monkeypatch):
    read_record, seen = files.read_record, []
    monkeypatch.setattr(files, "read_record", lambda path, **keys: seen.append(path) or read_record(path, **keys))
    study = read(results)
    assert study.metrics_of("a") == study.metrics_of("a")
    assert len(seen) == 2


def test_the_folders_are_those_that_the_study_refers_to(results):
    study = {
        **files.read_json(results / "report/study.json"),
        **{"images": "data/x/images.npz", "whitened": None, "trainings": {"b": "1f", "a": "2f"}},
    }
    write_study(results, study)
    runs = {results / f"runs/{model}/seed{seed}" for model in "ab" for seed in (1, 2)}
    trainings = {results / f"trainings/{key}/seed{seed}" for key in ("1f", "2f") for seed in (1, 2)}
    assert read(results).folders() == {results / "data/x"} | runs | trainings


def test_a_table_changed_by_hand_is_refused(results):
    (results / "report/accuracy.csv").write_text("model,accuracy\nb,0.5\n")
    digest = files.file_digest(results / "report/accuracy.csv")
    (results / "report/accuracy.md").write_text(f"| b |\n<!-- made from 1f, {digest} -->\n")
    assert read(results).accuracies["accuracy"].tolist() == [0.5]
    (results / "report/accuracy.csv").write_text("model,accuracy\nb,0.6\n")
    with pytest.raises(InputError, match="accuracy.csv: was changed after it was made"):
        _ = read(results).accuracies


def test_what_is_text_is_never_a_number(tmp_path):
    columns = ["family", "model", "reference", "changes", "images", "test_time_augmentation", "verdict"]
    path = tmp_path / "accuracy.csv"
    path.write_text(f"{','.join(columns)},population_verdict,accuracy\n{'007,' * len(columns)},0.5\n")
    (row,) = read_table(path).to_dict("records")
    assert row == dict.fromkeys(columns, "007") | {"population_verdict": "", "accuracy": 0.5}


def test_confusion_has_all_classes_whether_predicted_or_not():
    counts = confusion_counts(np.array([[0, 0], [0, 1]]), np.array([0, 1]), 3)
    assert counts.tolist() == [[[1, 0, 0], [1, 0, 0], [0, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 0]]]


def test_a_folder_without_a_study_is_one_line(results):
    assert study_path(str(results)) == study_path(str(results / "report/study.json")) == results / "report/study.json"
    with pytest.raises(InputError, match="runs: no study there: it has no report/study.json; name the folder"):
        study_path(str(results / "runs"))
    with pytest.raises(InputError, match="absent: no such file; name the folder"):
        study_path(str(results / "absent"))
