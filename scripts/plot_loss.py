"""Plot a model's loss and val_loss by epoch, every seed in one figure."""

import argparse

import pandas as pd

from ablation import errors, figures, files


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", nargs="+", required=True, help="history.csv of every seed")
    parser.add_argument("--title", required=True)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    figure = figures.loss_plot(arguments.title, [pd.read_csv(path) for path in arguments.histories])
    with files.replacing(arguments.output) as temporary:
        figure.savefig(temporary)


if __name__ == "__main__":
    errors.run(main)
