"""Plot the models side by side: curves, accuracies, differences, classes, calibration, cost."""

import argparse
import json
from pathlib import Path

import pandas as pd

from ablation import errors, figures, files, predictions, table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--metrics", nargs="+", required=True, help="metrics.json of every run, models in the order of their colours"
    )
    parser.add_argument("--predictions", nargs="+", required=True, help="predictions.npz of the same runs")
    parser.add_argument("--histories", nargs="+", required=True, help="history.csv of the same runs")
    parser.add_argument("--images", required=True, help="images.npz, for the names of classes")
    parser.add_argument("--table", required=True, help="accuracy.csv")
    parser.add_argument("--comparisons", required=True, help="comparisons.csv")
    for output in ("curves", "accuracies", "differences", "classes", "calibration", "cost"):
        parser.add_argument(f"--{output}", required=True, metavar="PNG")
    arguments = parser.parse_args()

    models = [json.loads(Path(path).read_text())["model"] for path in arguments.metrics]
    (class_names,) = files.read_npz(arguments.images, "class_names")
    by_model, labels = predictions.read(arguments.predictions, models)
    correct = {model: of_model.predicted == labels for model, of_model in by_model.items()}
    histories = {model: [] for model in by_model}
    for model, path in zip(models, arguments.histories, strict=True):
        histories[model].append(pd.read_csv(path))
    accuracies = table.read(arguments.table)
    by_seed = {model: of.mean(axis=1) for model, of in correct.items()}

    figures.save(figures.curves_plot(histories), arguments.curves)
    figures.save(figures.accuracies_plot(accuracies, by_seed), arguments.accuracies)
    figures.save(figures.differences_plot(list(correct), table.read(arguments.comparisons)), arguments.differences)
    figures.save(figures.classes_plot(correct, labels, class_names), arguments.classes)
    figures.save(figures.calibration_plot(by_model, labels), arguments.calibration)
    figures.save(figures.cost_plot(correct, accuracies), arguments.cost)


if __name__ == "__main__":
    errors.run(main)
