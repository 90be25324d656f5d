"""Collate the test results of all runs into accuracy.csv, a row per model, best first."""

import argparse
import json
from pathlib import Path

from ablation import errors, files, table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", nargs="+", required=True, help="metrics.json of every run")
    parser.add_argument("--models", type=json.loads, required=True, help="differs, epochs, published figures by model")
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    runs = [json.loads(Path(path).read_text()) for path in arguments.metrics]
    with files.replacing(arguments.output) as temporary:
        table.accuracy_table(runs, arguments.models).to_csv(temporary, index=False)


if __name__ == "__main__":
    errors.run(main)
