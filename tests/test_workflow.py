"""The whole workflow as a user runs it: the digits, and the real archive where there is one."""

import functools
import hashlib
import http.server
import json
import re
import threading

import numpy as np
import pandas as pd
import pytest

from conftest import DIGITS, THREE, Checkout, jobs_in, keep_models
from test_cifar10 import write_archive


def trained_as(metrics):
    """Return the key of the training of a run."""
    return metrics["made_from"]["training"]


def data_file(results, name):
    """Return the file of images of a study."""
    (path,) = results.glob(f"data/*/{name}")
    return path


def test_a_run_leaves_the_files_that_the_readme_names(study):
    for model in THREE:
        run = study.results / "runs" / model / "seed1"
        history = pd.read_csv(run / "history.csv")
        columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
        assert list(history.columns) == columns
        assert len(history) == 1
        with np.load(run / "predictions.npz") as predictions:
            assert predictions["probabilities"].shape == (300, 10)
            assert predictions["probabilities"].dtype == np.float16
            accuracy = np.mean(predictions["predicted"] == predictions["labels"])
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["test_accuracy"] == pytest.approx(accuracy)
        assert metrics["seed"] == 1
        assert (study.results / f"figures/loss_{model}.png").read_bytes().startswith(b"\x89PNG")
        training = study.results / f"trainings/{trained_as(metrics)}/seed1"
        assert (run / "model.keras").samefile(training / "model.keras")  # one file by two names
        for name in ("history.csv", "training.json"):
            assert (run / name).read_bytes() == (training / name).read_bytes()
    with np.load(data_file(study.results, "images.npz")) as images:
        assert images["x_train"].dtype == np.uint8
    with np.load(data_file(study.results, "zca.npz")) as zca:
        assert set(zca.files) == {
            "x_train", "y_train", "x_test", "y_test", "mean", "eigenvalues", "epsilon", "filters"
        }  # fmt: skip
        assert zca["x_train"].dtype == np.float32
    table = pd.read_csv(study.results / "report/accuracy.csv")
    assert sorted(table["model"]) == THREE
    assert table["accuracy"].is_monotonic_decreasing
    html = (study.results / "report/index.html").read_text()
    assert html.count('<tr id="row-') == 3
    comparisons = pd.read_csv(study.results / "report/comparisons.csv")
    assert comparisons["family"].value_counts().to_dict() == {"pairs": 3, "baseline": 2}
    assert (study.results / "report/accuracy.md").read_text().count(
        "\n"
    ) == 2 + 2 + 3  # what it was made from, the head, the models
    latex = (study.results / "report/accuracy.tex").read_text()
    assert "\\begin{tabular}" in latex
    assert "%" not in latex.replace("\\%", "")  # which would comment out the rest of its line


def test_every_epoch_is_a_line_on_the_terminal_and_in_the_log(study):
    for model in THREE:
        (line,) = [line for line in study.printed.splitlines() if line.startswith(f"{model} seed 2: epoch")]
        assert re.fullmatch(
            rf"{model} seed 2: epoch 1/1  loss [\d.]+  accuracy [\d.]+%  val [\d.]+%  left 0:00:00", line
        )
    logs = list(study.results.glob("logs/train/*/seed1.log"))
    assert len(logs) == len(THREE)
    for log in logs:
        assert re.search("^model. seed 1: epoch 1/1  loss ", log.read_text(), re.MULTILINE)


def test_raw_pixels_skip_the_whitening(study):
    change = study.write("change.yaml", {"models": {"model2_raw": {"input": "raw", "epochs": 1}}})
    run = study.snakemake("results/digits/runs/model2_raw/seed1/metrics.json", *DIGITS, change)
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == {"train model2_raw 1", "evaluate model2_raw 1"}


def test_the_modern_recipe_is_trained_once_and_tested_on_one_view_and_on_several(study, modern_config):
    small = {"channels": [16, 64, 64], "batch_size": 64, "learning_rate": 0.02, "bias_factor": 1, "epochs": 3}
    modern = modern_config["models"]["airbench94"] | small
    models = {"modern": modern | {"precision": "mixed_bfloat16"}}
    models["modern_one"] = models["modern"] | {"test_time_augmentation": "none"}
    change = study.write("change.yaml", {"models": models, "limits": {"epochs": None}, "defaults": {"epochs": 1}})
    files = [f"results/digits/runs/{model}/seed1/metrics.json" for model in models]
    run = study.snakemake(*files, "results/digits/figures/loss_modern_one.png", *DIGITS, change)
    assert run.returncode == 0, run.stdout
    assert {job for job in jobs_in(run.stdout) if job.endswith(" 1")} == {
        "train modern 1",
        "evaluate modern 1",
        "evaluate modern_one 1",
    }
    several, one = (json.loads((study.path / file).read_text()) for file in files)
    assert (several["model"], one["model"]) == ("modern", "modern_one")
    assert several["test_accuracy_no_tta"] == one["test_accuracy_no_tta"] == one["test_accuracy"]
    assert several["weights_digest"] == one["weights_digest"]
    assert several["predictions_digest"] != one["predictions_digest"]
    assert several["validation_images"] == 0
    assert several["test_accuracy"] > 0.3  # of ten classes


def test_the_snakemake_report_carries_the_results(study):
    run = study.snakemake(*DIGITS, "--report", "report.html")
    assert run.returncode == 0, run.stdout
    html = (study.path / "report.html").read_text()
    names = ["confusion_model8.png", "curves.png", "eigenvalues.png", "comparisons.csv", "index.html"]
    for name in ["loss_model2.png", "accuracy.csv", *names]:
        assert name in html


def test_on_the_cpu_jobs_ask_for_no_gpu(study):
    planned = study.snakemake("--dry-run", "--forceall", *DIGITS).stdout
    assert not re.search(r"\bgpu=", planned)
    planned = study.snakemake("--dry-run", "--forceall", *DIGITS, "--config", "training={device: gpu}").stdout
    assert len(re.findall(r"\bgpu=1", planned)) == 2 * len(THREE)


def test_a_wrong_config_is_one_line_and_no_traceback(study):
    wrong = study.write("wrong.yaml", {"models": {"model5": {"chanels": [1, 1, 1, 1]}}})
    run = study.snakemake("--dry-run", *DIGITS, wrong)
    assert run.returncode == 1
    assert (
        "config error: wrong.yaml, line 3: models.model5.chanels: unknown key; did you mean 'channels'?" in run.stdout
    )
    assert "Traceback" not in run.stdout


def test_braces_in_texts_are_no_wildcards(finished_study):
    config = {"title": "a {model} {2}", "models": {"model5": {"description": "{x}"}}}
    braces = finished_study.write("braces.yaml", config)
    assert finished_study.jobs(*DIGITS, braces) == {"study", "report"}


def test_a_missing_archive_is_named(study):
    run = study.snakemake("--dry-run", "--config", "dataset={archive: nowhere.tar.gz}")
    assert run.returncode == 1
    assert "config error: --config: dataset.archive: no such file 'nowhere.tar.gz'" in run.stdout


def test_a_gpu_that_is_not_there_is_one_line(study):
    """The failed job's log is on the terminal, and says what to do."""
    gpu = study.write("gpu.yaml", {"training": {"device": "gpu"}, "seeds": [7]})
    run = study.snakemake("results/digits/runs/model5/seed7/model.keras", *DIGITS, gpu)
    if run.returncode == 0:
        pytest.skip("there is a GPU here")
    assert "error: training.device is gpu, but TensorFlow" in run.stdout
    assert "Traceback" not in run.stdout


@pytest.fixture
def server(tmp_path):
    """Address of a local HTTP server, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_a_download_is_checked_and_not_made_twice(server, tmp_path):
    address, folder = server
    archive = write_archive(folder / "small.tar.gz")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    checkout = Checkout(tmp_path / "checkout")
    target = ["--until", "prepare"]

    def config(name, **download):
        return ["--configfile", checkout.write(name, {"download": {"sha256": sha256} | download})]

    wrong = checkout.snakemake(*target, *config("wrong.yaml", sources=[f"{address}/small.tar.gz"], sha256="0" * 64))
    assert wrong.returncode == 1
    assert sha256 in wrong.stdout
    assert "0" * 64 in wrong.stdout
    assert not (checkout.path / "results/data/cifar-10-python.tar.gz").exists()

    sources = [f"{address}/nowhere", f"{address}/small.tar.gz"]
    right = checkout.snakemake(*target, *config("right.yaml", sources=sources))
    assert right.returncode == 0, right.stdout
    with np.load(data_file(checkout.path / "results", "images.npz")) as content:
        assert len(content["x_train"]) == 30

    turned = config("turned.yaml", sources=sources[::-1])
    assert checkout.jobs(*target, *turned) == set()
    again = checkout.snakemake("results/data/cifar-10-python.tar.gz", "--force", *turned)
    assert "already there, with the right SHA-256" in again.stdout
    assert checkout.jobs(*target, *turned) == set()


@pytest.fixture(scope="module")
def real_checkout(archive, tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("real"))
    keep_models(checkout, ["model2", "model4", "model7"])
    return checkout


@pytest.mark.faults  # half a minute for the whitening alone
def test_models_on_the_real_archive(real_checkout, archive):
    real_checkout.write(
        "real.yaml",
        {
            "dataset": {"archive": str(archive)},
            "training": {"device": "cpu"},
            "limits": {"train_images": 500, "test_images": 500, "epochs": 2},
        },
    )
    figures = [f"results/figures/{name}.png" for name in ("mistakes_model7", "whitening", "filters")]
    targets = ["results/report/accuracy.csv", *figures, "--configfile", "real.yaml"]
    run = real_checkout.snakemake(*targets)
    assert run.returncode == 0, run.stdout
    table = pd.read_csv(real_checkout.path / "results/report/accuracy.csv")
    assert sorted(table["model"]) == ["model2", "model4", "model7"]
    assert table["published_accuracy"].notna().all()
    for model in table["model"]:
        first, second = pd.read_csv(real_checkout.path / f"results/runs/{model}/seed1/history.csv")["loss"]
        assert second < first, model
    assert real_checkout.jobs(*targets) == set()


@pytest.mark.faults
def test_full_size_whitening(real_checkout, archive):
    """Of all images, whatever the limits of the study are; made by the test above, where that ran."""
    real_checkout.write("full.yaml", {"dataset": {"archive": str(archive)}})
    run = real_checkout.snakemake("--until", "whiten", "--configfile", "full.yaml")
    assert run.returncode == 0, run.stdout
    results = real_checkout.path / "results"
    with np.load(data_file(results, "images.npz")) as images:
        pixels = images["x_train"]
        assert pixels.shape == (50_000, 32, 32, 3)
        assert np.bincount(images["y_train"]).tolist() == [5000] * 10
        assert images["class_names"].tolist()[:2] == ["airplane", "automobile"]
        mean = pixels.mean(axis=(0, 1, 2), dtype="float64") / 255
    with np.load(data_file(results, "zca.npz")) as zca:
        np.testing.assert_allclose(mean, [0.49140, 0.48216, 0.44653], atol=5e-6)
        np.testing.assert_allclose(zca["mean"], mean, rtol=1e-6)
        assert zca["eigenvalues"][-1] == pytest.approx(1.587e-6, rel=1e-3)
        assert zca["x_train"].std(dtype="float64") == pytest.approx(0.98595, abs=5e-6)
        assert zca["x_test"].std(dtype="float64") == pytest.approx(1.0481, abs=5e-5)
