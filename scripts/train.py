"""Train one model with one seed: model.keras, history.csv, and training.json on how it was made."""

import argparse
import json
from pathlib import Path

from ablation import errors, logs
from ablation.settings.specs import ModelSpec
from ablation.training.run import train_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="what the progress lines call the model")
    parser.add_argument("--data", type=Path, required=True, help="zca.npz, or images.npz for raw pixels")
    parser.add_argument("--spec", type=ModelSpec.from_json, required=True, help="the model's settings as JSON")
    parser.add_argument("--made-from", type=json.loads, required=True, help="what decides the training, as JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--device", choices=["auto", "gpu", "cpu"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--jobs-per-gpu", type=int, required=True, help="processes that may share one GPU")
    parser.add_argument("--checkpoint-epochs", type=int, required=True, help="epochs between two saved states")
    parser.add_argument("--log-to", default="", help="tensorboard, or nothing")
    parser.add_argument("--output", type=Path, required=True, help="folder of the training, in one named by its key")
    parser.add_argument("--log", help="a file for what is printed")
    arguments = vars(parser.parse_args())
    logs.start(arguments.pop("log"))
    train_run(folder=arguments.pop("output"), **arguments)


if __name__ == "__main__":
    errors.run(main)
