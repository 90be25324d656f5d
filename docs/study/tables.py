"""Print the tables of index.md and answers.md, from the runs in docs/study/gpu and docs/study/cpu."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ablation.report.statistics import prediction_interval, welch_interval
from ablation.report.table import percent, points

HERE = Path(__file__).resolve().parent
SEEDS = (1, 2, 3, 4, 5, 6)
EPOCHS = (10, 20, 40, 60, 80, 160)
# Training loss at EPOCHS read off the notebook's figures, where it was, to about 0.02.
CURVES = {
    "model2": {80: 0.19},
    "model3": {80: 0.12},
    "model4": {160: 0.79},
    "model5": {80: 0.23},
    "model6": {10: 0.59, 20: 0.41, 40: 0.27, 60: 0.22, 80: 0.19},
    "model7": {10: 0.59, 20: 0.41, 40: 0.27, 60: 0.22, 80: 0.19},
    "model8": {80: 0.13},
}
DEVICES = {"gpu": "H200", "cpu": "Xeon"}
QUESTIONS = {
    "BatchNorm after convolutions 2 and 4": ("model5", "model2"),
    "BatchNorm after every convolution": ("model6", "model2"),
    "convolutions 3 and 4 twice as wide": ("model3", "model2"),
    "the same with BatchNorm": ("model7", "model6"),
    "learning-rate decay": ("model7", "model8"),
    "half as wide, dropout 0.5, one BatchNorm, no decay, twice the epochs": ("model4", "model2"),
    "whitening, decay, and 80 epochs, not 40": ("model2", "model2_raw"),
}


def published() -> dict[str, dict[str, float]]:
    """Return the notebook's loss and accuracy by model."""
    files = (HERE.parents[1] / "config.yaml", HERE / "study.yaml")
    parts = [yaml.safe_load(file.read_text())["published"]["models"] for file in files]
    return parts[0] | parts[1]


def metric_of(model: str, name: str, device: str = "gpu") -> dict[int, float]:
    """Return a metric of a model's runs on a device, gpu or cpu, by seed."""
    files = {seed: HERE / f"{device}/runs/{model}/seed{seed}/metrics.json" for seed in SEEDS}
    return {seed: json.loads(file.read_text())[name] for seed, file in files.items() if file.exists()}


def comparison(metric: str, kind: str, text: Callable[[float], str]) -> Iterator[str]:
    """Yield the rows of a table that compares a metric of our runs with the notebook's. kind: its name there."""
    yield f"| | {' | '.join(f'seed {seed}' for seed in SEEDS)} | mean | one run, 95% | notebook | |"
    yield f"|---|{'---:|' * len(SEEDS)}---:|:---:|---:|---|"
    for model, figures in published().items():
        runs = metric_of(model, metric)
        values = np.array(list(runs.values()))
        low, high = prediction_interval(values)
        cells = [text(runs[seed]) if seed in runs else "" for seed in SEEDS]
        value, verdict = figures.get(kind), ""
        if value is not None:
            verdict = "inside" if low <= value <= high else "outside"
        interval = f"{text(low)} to {text(high)}"
        row = [model, *cells, text(values.mean()), interval, "" if value is None else text(value)]
        yield f"| {' | '.join(row)} | {verdict} |"


def differences() -> Iterator[str]:
    """Yield the rows of a table of differences of mean accuracies, with their 95% intervals (Welch's t)."""
    yield "| what | compared | seeds | accuracy, points | 95% |"
    yield "|---|---|---:|---:|:---:|"
    for what, pair in QUESTIONS.items():
        a, b = (np.array(list(metric_of(model, "test_accuracy").values())) for model in pair)
        difference, low, high = map(points, (a.mean() - b.mean(), *welch_interval(a, b)))
        yield f"| {what} | {pair[0]} with {pair[1]} | {len(a)} and {len(b)} | {difference} | {low} to {high} |"


def curves() -> Iterator[str]:
    """Yield the rows of the table of training losses by epoch, means over seeds, beside the notebook's."""
    yield f"| training loss at epoch | {' | '.join(map(str, EPOCHS))} |"
    yield f"|---|{'---:|' * len(EPOCHS)}"
    for model, read_off in CURVES.items():
        files = HERE.glob(f"gpu/runs/{model}/seed*/history.csv")
        losses = np.mean([pd.read_csv(file)["loss"] for file in files], axis=0)
        ours = [f"{losses[epoch - 1]:.2f}" if epoch <= len(losses) else "" for epoch in EPOCHS]
        theirs = [f"{read_off[epoch]:.2f}" if epoch in read_off else "" for epoch in EPOCHS]
        yield f"| {model} | {' | '.join(ours)} |"
        yield f"| its figure in the notebook | {' | '.join(theirs)} |"


def others() -> Iterator[str]:
    """Yield the rows of a table of the models that the notebook doesn't have, by device."""
    yield "| | on | seeds | test accuracy | standard deviation over seeds | on one view |"
    yield "|---|---|---|---:|---:|---:|"
    folders = [folder for device in DEVICES for folder in sorted(HERE.glob(f"{device}/runs/*"))]
    for folder in folders:
        device, model = folder.parts[-3], folder.name
        runs = metric_of(model, "test_accuracy", device)
        if runs and model not in published():
            values = np.array(list(runs.values()))
            spread = points(values.std(ddof=1)).lstrip("+") if len(values) > 1 else ""
            view = percent(np.array(list(metric_of(model, "test_accuracy_no_tta", device).values())).mean())
            seeds = ", ".join(map(str, runs))
            yield f"| {model} | {DEVICES[device]} | {seeds} | {percent(values.mean())} | {spread} | {view} |"


def tables() -> list[str]:
    """Return all tables as Markdown."""
    return [
        "\n".join(comparison("test_accuracy", "accuracy", percent)),
        "\n".join(comparison("test_loss", "loss", "{:.3f}".format)),
        "\n".join(differences()),
        "\n".join(curves()),
        "\n".join(others()),
    ]


if __name__ == "__main__":
    print("\n\n".join(tables()))
