"""Print what differs between two studies, or between a study and itself at another time, and how accuracy moved."""

import argparse

from ablation import errors
from ablation.report import diff


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a", metavar="A", help="folder of the results of a study, or a study.json")
    parser.add_argument("b", metavar="B", help="the same, to compare with it")
    arguments = parser.parse_args()
    for line in diff.lines(arguments.a, arguments.b):
        print(line)


if __name__ == "__main__":
    errors.run(main)
