"""Evaluate a trained model once, on test or validation images: predictions.npz and metrics.json."""

import argparse
import json
from pathlib import Path

from ablation import errors, logs
from ablation.training.evaluate import evaluate_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="zca.npz, or images.npz for raw pixels")
    parser.add_argument("--training", type=Path, required=True, help="folder of the training")
    parser.add_argument("--made-from", type=json.loads, required=True, help="what decides the evaluation, as JSON")
    parser.add_argument("--architecture", required=True, help="the network's name, or the user's file of it")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    arguments = vars(parser.parse_args())
    logs.start(None)
    evaluate_run(folder=arguments.pop("output"), **arguments)


if __name__ == "__main__":
    errors.run(main)
