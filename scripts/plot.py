"""Draw one figure of the study, or of one of its models or families."""

import argparse

from ablation import errors
from ablation.report import figures
from ablation.report.study import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="study.json")
    parser.add_argument("--figure", choices=figures.catalogue(), required=True)
    parser.add_argument("--of", metavar="NAME", help="of the figures that each model or family has")
    parser.add_argument("--output", nargs="+", required=True, metavar="FILE", help="of the suffix .svg, .png or .pdf")
    arguments = parser.parse_args()

    name, study = arguments.figure, Study.read(arguments.study)
    # The key comes first: code or runs that change from here on have another, so the figure is drawn again.
    key = study.figure_key(name, arguments.of)
    figure = figures.draw(name, study, arguments.of)
    for path in arguments.output:
        figures.save(figure, path, key)


if __name__ == "__main__":
    errors.run(main)
