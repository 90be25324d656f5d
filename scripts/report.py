"""Write the report: one self-contained HTML page."""

import argparse

from ablation import errors, files
from ablation.report import outputs, page
from ablation.report.study import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="study.json")
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    study = Study.read(arguments.study)
    key = study.outputs.report  # before anything is read
    figures = {name: study.figure(name) for name in study.outputs.figures}
    template = outputs.TEMPLATE.read_text(encoding="utf-8")
    files.write_text(arguments.output, page.render(template, study, figures, key))


if __name__ == "__main__":
    errors.run(main)
