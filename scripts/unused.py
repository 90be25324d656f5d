"""List the data and trainings that no model of the study refers to; or remove them."""

import argparse

from ablation import errors, logs
from ablation.report import unused
from ablation.report.study import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="study.json")
    parser.add_argument("--remove", action="store_true", help="remove them, not only list them")
    parser.add_argument("--log", help="a file for what is printed")
    arguments = parser.parse_args()
    logs.start(arguments.log)
    unused.sweep(Study.read(arguments.study), arguments.remove)


if __name__ == "__main__":
    errors.run(main)
