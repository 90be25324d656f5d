"""A study for other programs: every metric once; MLflow as its client is called, and its absence in one line."""

import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pandas as pd
import pytest

from ablation.errors import InputError
from ablation.report import export

HISTORY = pd.DataFrame({"epoch": [1, 2], "loss": [0.9, 0.4], "val_loss": [float("nan")] * 2, "seconds": [3.0, 2.0]})


def study_of(seeds=(1, 2)):
    runs = [
        {
            "model": model,
            "seed": seed,
            "key": f"{model} {seed}",
            "test_loss": 0.5,
            "test_accuracy": 0.75,
            "test_accuracy_no_tta": 0.7,
            "parameters": 10,
            "spec": {"epochs": 2, "dropout": [0, 0.5], "momentum": None},
            "versions": {"keras": "3"},
            "device": "CPU",
            "machine": "x86_64",
            "git_revision": None,
            "finished": "2026-01-02T03:04:05+00:00",
        }
        for model in ("b", "a")
        for seed in seeds
    ]
    return SimpleNamespace(
        models=["b", "a"],
        report_on="test",
        facts={"title": "A study"},
        metrics=runs,
        metrics_of=lambda model: [run for run in runs if run["model"] == model],
        histories=lambda model: [HISTORY] * len(seeds),
    )


def test_every_metric_is_a_row_and_what_there_is_not_has_none():
    table = export.metrics_table(study_of())
    assert list(table) == ["model", "seed", "epoch", "metric", "value"]
    assert len(table) == 4 * (2 * 2 + 4)
    assert table.index.is_unique
    run = table[(table["model"] == "a") & (table["seed"] == 2)]
    assert run["metric"].tolist() == [
        *["loss", "seconds"] * 2,
        *["test_loss", "test_accuracy", "test_accuracy_no_tta", "parameters"],
    ]
    assert run["epoch"].astype(object).where(run["epoch"].notna(), None).tolist() == [1, 1, 2, 2, *[None] * 4]
    assert run["value"].tolist() == [0.9, 3.0, 0.4, 2.0, 0.5, 0.75, 0.7, 10]
    assert table["model"].drop_duplicates().tolist() == ["b", "a"]


class Client:
    """MLflow's, as far as the export calls it; it keeps what it is given."""

    runs: ClassVar[list] = []
    experiments: ClassVar[dict] = {}

    def __init__(self, tracking_uri):
        self.uri = tracking_uri

    def get_experiment_by_name(self, name):
        return self.experiments.get(name)

    def create_experiment(self, name, tags):
        assert name not in self.experiments
        self.experiments[name] = SimpleNamespace(experiment_id=name)
        return name

    def search_runs(self, experiments, max_results, page_token):
        class Page(list):
            token = None

        return Page(SimpleNamespace(data=SimpleNamespace(tags=run["tags"])) for run in self.runs)

    def create_run(self, experiment, start_time, run_name):
        self.runs.append({"name": run_name, "start": start_time, "tags": {}, "params": {}, "metrics": []})
        return SimpleNamespace(info=SimpleNamespace(run_id=len(self.runs) - 1))

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        assert len(metrics) <= export.BATCH
        self.runs[run_id]["metrics"] += metrics
        self.runs[run_id]["params"] |= dict(params)
        self.runs[run_id]["tags"] |= dict(tags)

    def set_terminated(self, run_id, end_time):
        self.runs[run_id]["end"] = end_time


def test_each_run_is_one_of_mlflow_once(monkeypatch):
    def pair(*values):
        return values

    entities = {"Metric": pair, "Param": pair, "RunTag": pair}
    for name, content in {
        "mlflow": {},
        "mlflow.entities": entities,
        "mlflow.exceptions": {"MlflowException": RuntimeError},
        "mlflow.tracking": {"MlflowClient": Client},
    }.items():
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        vars(sys.modules[name]).update(content)
    monkeypatch.setattr(Client, "runs", [])
    monkeypatch.setattr(Client, "experiments", {})
    assert export.BATCH <= 1000  # which is what MLflow takes at once
    monkeypatch.setattr(export, "BATCH", 3)
    export.to_mlflow(study_of(), "sqlite:///x.db")
    export.to_mlflow(study_of(), "sqlite:///x.db")
    assert [run["name"] for run in Client.runs] == ["b seed 1", "b seed 2", "a seed 1", "a seed 2"]
    run = Client.runs[2]
    assert run["params"] == {"epochs": "2", "dropout": "[0, 0.5]"}
    assert [run["tags"][name] for name in ("model", "seed", "key", "keras")] == ["a", "1", "a 1", "3"]
    assert run["end"] - run["start"] == 5000
    by_name = {(name, step): (value, time - run["start"]) for name, value, time, step in run["metrics"]}
    assert by_name["loss", 1] == (0.9, 3000) and by_name["loss", 2] == (0.4, 5000)
    assert by_name["test_accuracy", 3] == (0.75, 5000)
    assert len(run["metrics"]) == 8
    assert {tuple(map(type, metric)) for metric in run["metrics"]} == {(str, float, int, int)}  # what a database takes

    def fail(self, name, tags):
        raise RuntimeError("no\nroom")

    monkeypatch.setattr(Client, "create_experiment", fail)
    monkeypatch.setattr(Client, "experiments", {})
    with pytest.raises(InputError, match="sqlite:///x.db: MLflow says: no room"):
        export.to_mlflow(study_of(), "sqlite:///x.db")


def test_without_mlflow_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    with pytest.raises(InputError, match="MLflow is not installed; pip install mlflow, or export csv"):
        export.to_mlflow(study_of(), "x")
