"""Plot one model: its learning curves, its confusion matrix against the baseline's, its surest mistakes."""

import argparse

import pandas as pd

from ablation import errors, figures, files, predictions


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", nargs="+", required=True, help="history.csv of every seed")
    parser.add_argument("--predictions", nargs="+", required=True, help="predictions.npz of every seed")
    parser.add_argument("--baseline", nargs="+", required=True, help="predictions.npz of every seed of the baseline")
    parser.add_argument("--images", required=True, help="images.npz, for the pictures and the names of classes")
    parser.add_argument("--title", required=True)
    for output in ("loss", "accuracy", "confusion", "mistakes"):
        parser.add_argument(f"--{output}", required=True, metavar="PNG")
    arguments = parser.parse_args()

    histories = [pd.read_csv(path) for path in arguments.histories]
    figures.save(figures.loss_plot(arguments.title, histories), arguments.loss)
    figures.save(figures.accuracy_plot(arguments.title, histories), arguments.accuracy)

    images, class_names = files.read_npz(arguments.images, "x_test", "class_names")
    paths = [*arguments.predictions, *arguments.baseline]
    whose = ["model"] * len(arguments.predictions) + ["baseline"] * len(arguments.baseline)
    by_model, labels = predictions.read(paths, whose)
    own, of_baseline = by_model["model"], by_model["baseline"]
    confusion = figures.confusion_plot(arguments.title, own.predicted, of_baseline.predicted, labels, class_names)
    figures.save(confusion, arguments.confusion)
    mistakes = figures.mistakes_plot(arguments.title, own.probabilities, labels, images, class_names)
    figures.save(mistakes, arguments.mistakes)


if __name__ == "__main__":
    errors.run(main)
