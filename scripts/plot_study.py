"""Plot the models side by side: curves, accuracies, differences, classes, calibration, cost."""

import argparse
import json
from pathlib import Path

import numpy as np
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

    names = [json.loads(Path(path).read_text())["model"] for path in arguments.metrics]
    (class_names,) = files.read_npz(arguments.images, "class_names")
    histories, correct, pooled = {}, {}, {}
    for model in dict.fromkeys(names):
        of_model = np.flatnonzero(np.array(names) == model)
        histories[model] = [pd.read_csv(arguments.histories[run]) for run in of_model]
        probabilities, predicted, labels = predictions.read([arguments.predictions[run] for run in of_model])
        correct[model] = predicted == labels
        pooled[model] = probabilities.reshape(-1, probabilities.shape[2]), correct[model].ravel()
    accuracies = table.read(arguments.table)
    by_seed = {model: of.mean(axis=1) for model, of in correct.items()}

    figures.save(figures.curves_plot(histories), arguments.curves)
    figures.save(figures.accuracies_plot(accuracies, by_seed), arguments.accuracies)
    figures.save(figures.differences_plot(list(correct), table.read(arguments.comparisons)), arguments.differences)
    figures.save(figures.classes_plot(correct, labels, class_names), arguments.classes)
    figures.save(figures.calibration_plot(pooled), arguments.calibration)
    figures.save(figures.cost_plot(correct, accuracies), arguments.cost)


if __name__ == "__main__":
    errors.run(main)
