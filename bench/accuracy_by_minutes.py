"""Draw validation accuracy against minutes of training, of some finished runs with validation images.

python bench/accuracy_by_minutes.py --runs results/runs/model7_modern/seed1 --mark 0.846 --output curve.png
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs, with validation images")
    parser.add_argument("--mark", type=float, required=True, help="an accuracy to reach")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    figure, axes = plt.subplots()
    for run in arguments.runs:
        history = pd.read_csv(run / "history.csv")
        if history["val_accuracy"].isna().all():
            sys.exit(f"error: {run}: has no validation images")
        minutes, percent = history["seconds"].cumsum() / 60, 100 * history["val_accuracy"]
        axes.plot(minutes, percent, "-o", markersize=3, label=f"{run.parent.name}, {len(history)} epochs")
        above = percent > 100 * arguments.mark
        first = f"{minutes[above].iloc[0]:.1f} minutes" if above.any() else "never"
        print(f"{run}: above {arguments.mark:.1%} after {first}; at the end {percent.iloc[-1]:.2f}%")
    axes.axhline(100 * arguments.mark, color="black", linewidth=1, linestyle=":", label=f"{arguments.mark:.1%}")
    axes.set(xlabel="minutes of training", ylabel="validation accuracy, %", xlim=(0, None))
    axes.legend(loc="lower right")
    figure.savefig(arguments.output, dpi=100)


if __name__ == "__main__":
    main()
