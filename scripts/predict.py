"""Tell the classes of pictures with a trained model, or with several: file, class and probability, as CSV."""

import argparse
import os
import sys
from pathlib import Path

from ablation import errors, logs
from ablation.training.predict import predict_pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, nargs="+", help="files, and folders with pictures in them")
    parser.add_argument(
        "--run",
        type=Path,
        action="append",
        required=True,
        metavar="FOLDER",
        help="a trained model, as results/runs/model7/seed1; given several times: the mean of their probabilities",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the table goes instead of the terminal")
    parser.add_argument("--all-classes", action="store_true", help="a column with the probability of every class")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU; all by default")
    arguments = vars(parser.parse_args())
    if arguments["threads"] < 1:
        parser.error("--threads must be 1 or more")
    logs.start(stream=sys.stderr)  # the table is on standard output
    predict_pictures(arguments.pop("run"), arguments.pop("pictures"), **arguments)


if __name__ == "__main__":
    errors.run(main)
