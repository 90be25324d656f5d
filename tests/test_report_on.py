"""A study of validation images reads no test image, and counts what was compared."""

import json

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
    "models": {"whitened": {}, "raw": {"input": "raw"}},
}
TABLES = ["accuracy.csv", "comparisons.csv", "accuracy.tex"]


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
    """With noise for test images, under a digest that fits it, every table and figure is made again as it was."""
    checkout = Checkout(tmp_path)
    command = ["--configfile", checkout.write("small.yaml", SMALL), "--replace-workflow-config"]
    run = checkout.snakemake(*command)
    assert run.returncode == 0, run.stdout
    report, results = tmp_path / "results/report", tmp_path / "results"
    before = {name: (report / name).read_bytes() for name in TABLES}
    figures = {path: path.read_bytes() for path in results.glob("figures/*.png")}
    log = (results / "logs/evaluate/raw/seed1.log").read_text()
    assert "validation accuracy" in log and "60 images" in log and "test" not in log

    (y_train,) = files.read_npz(next(results.glob("data/*/images.npz")), "y_train")
    (labels,) = files.read_npz(results / "runs/raw/seed1/predictions.npz", "labels")
    np.testing.assert_array_equal(labels, y_train[-60:])

    rng = np.random.default_rng(0)
    for path in results.glob("data/*/*.npz"):
        with np.load(path) as content:
            arrays = dict(content)
        arrays["x_test"] = rng.permuted(arrays["x_test"])
        arrays["y_test"] = rng.permutation(arrays["y_test"])
        files.write_npz(path, **arrays)
        record = files.read_json(path.with_suffix(".json"))
        record["digests"]["test"] = files.array_digest(arrays["x_test"], arrays["y_test"])
        path.with_suffix(".json").write_text(json.dumps(record))
    for path in [*results.glob("runs/*/*/*"), *figures, *report.glob("a*"), *report.glob("c*")]:
        path.unlink()
    run = checkout.snakemake(*command)
    assert run.returncode == 0, run.stdout
    assert {name: (report / name).read_bytes() for name in TABLES} == before
    assert {path: path.read_bytes() for path in results.glob("figures/*.png")} == figures
    assert files.read_json(report / "looks.json").keys() == {"validation"}

    run = checkout.snakemake(
        *command, "--config", "report_on=test", "limits={train_images: 600, test_images: 50, epochs: 1}"
    )
    assert run.returncode == 0, run.stdout
    assert "train_images" not in run.stdout or "rule train" not in run.stdout
    table = pd.read_csv(report / "accuracy.csv")
    assert set(table["images"]) == {"test"}
    html = (report / "index.html").read_text()
    assert "2 on validation images,\n2 on test images" in html
