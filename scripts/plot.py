"""Draw one figure of the study, or of one of its models."""

import argparse

from ablation import errors
from ablation.report import figures
from ablation.report.study import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="study.json")
    parser.add_argument("--figure", choices=figures.catalogue(), required=True)
    parser.add_argument("--model", help="of the figures that each model has")
    parser.add_argument("--output", required=True, metavar="PNG")
    arguments = parser.parse_args()

    name, study = arguments.figure, Study.read(arguments.study)
    # The key comes first: code or runs that change from here on have another, so the figure is drawn again.
    key = study.outputs.figures[f"{name}_{arguments.model}" if arguments.model else name]
    figures.save(figures.draw(name, study, arguments.model), arguments.output, key)


if __name__ == "__main__":
    errors.run(main)
