"""A study of validation images reads no test image, and counts what was compared."""

import numpy as np
import pandas as pd
import pytest

from ablation import files
from ablation.errors import InputError
from ablation.settings import check
from conftest import Checkout

SMALL = {
    "dataset": {"name": "digits"},
    "whitening": {"epsilon": 0.01},
    "training": {"device": "cpu"},
    "report_on": "validation",
    "limits": {"train_images": 600, "epochs": 1},
    "defaults": {"channels": [4, 4, 4, 4]},
    "models": {"raw": {"input": "raw"}, "inputs": {"grid": {"of": "raw", "input": ["zca"]}}},
}
TABLES = [f"report/{name}" for name in ("accuracy.csv", "comparisons.csv", "mistakes.csv", "accuracy.tex")]
FIGURES = [f"figures/{name}.png" for name in ("mistakes_raw-input-zca", "whitening", "accuracies", "grid_inputs")]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"validation_images": "by_seed"}, "models.b.validation_images: must be last if report_on is validation"),
        ({"validation_split": 0}, "models.b.validation_split: is 0, so there are no images for report_on validation"),
        (
            {"validation_split": 0.2},
            "models.b.validation_split: 0.2, but a has 0.1; report_on validation needs the same",
        ),
    ],
)
def test_validation_images_that_are_not_the_same_for_all_are_refused(schema, model, message):
    config = {"dataset": {"name": "digits"}, "models": {"a": {}, "b": model}}
    check.validate_and_fill(config, schema)
    with pytest.raises(InputError) as caught:
        check.validate_and_fill(config | {"report_on": "validation"}, schema)
    assert message in str(caught.value)


@pytest.mark.faults
def test_test_images_are_read_nowhere(tmp_path):
    """With noise for test images, under a digest that fits it, tables and figures are made again as they were."""
    checkout, results = Checkout(tmp_path), tmp_path / "results"
    command = ["--configfile", checkout.write("small.yaml", SMALL), "--replace-workflow-config"]
    targets = [f"results/{name}" for name in (*TABLES, *FIGURES)]
    run = checkout.snakemake(*targets, *command)
    assert run.returncode == 0, run.stdout
    before = {name: (results / name).read_bytes() for name in (*TABLES, *FIGURES)}
    log = (results / "logs/evaluate/raw/seed1.log").read_text()
    assert "validation accuracy" in log
    assert "60 images" in log
    (y_train,) = files.read_npz(next(results.glob("data/*/images.npz")), "y_train")
    (labels,) = files.read_npz(results / "runs/raw/seed1/predictions.npz", "labels")
    np.testing.assert_array_equal(labels, y_train[-60:])
    families = pd.read_csv(results / TABLES[1])["family"]
    assert families.tolist() == ["baseline", "pairs", "inputs"]

    for path in results.glob("data/*/*.npz"):
        rng = np.random.default_rng(0)
        with np.load(path) as content:
            arrays = dict(content)
        arrays["y_test"] = rng.permutation(arrays["y_test"])
        arrays["x_test"] = rng.permuted(arrays["x_test"])
        files.write_npz(path, **arrays)
        record = files.read_json(path.with_suffix(".json"))
        record["digests"]["test"] = files.array_digest(arrays["x_test"], arrays["y_test"])
        files.write_record(path.with_suffix(".json"), record)
    for path in [*results.glob("runs/*/*/*"), *(results / name for name in before), results / "report/accuracy.md"]:
        path.unlink()
    run = checkout.snakemake(*targets, *command)
    assert run.returncode == 0, run.stdout
    assert {name: (results / name).read_bytes() for name in before} == before
    assert set(pd.read_csv(results / TABLES[0])["images"]) == {"validation"}

    run = checkout.snakemake(targets[0], *command, "--config", "report_on=test")
    assert run.returncode == 0, run.stdout
    assert "rule train:" not in run.stdout
    table = pd.read_csv(results / TABLES[0])
    assert set(table["images"]) == {"test"}
    assert table["accuracy"].max() < 0.3  # of noise
    looks = files.read_json(results / "report/looks.json")
    assert [len(looks["validation"]), len(looks["test"])] == [2, 2]
