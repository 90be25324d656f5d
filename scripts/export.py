"""Export a finished study: csv, one long table of metrics by model, seed and epoch; or mlflow, a run each."""

import argparse
import sys
from pathlib import Path

from ablation import errors, files, logs
from ablation.report import export
from ablation.report.study import Study, study_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=["csv", "mlflow"])
    parser.add_argument("study", nargs="?", default="results", help="folder of its results (results)")
    parser.add_argument(
        "--output",
        help="of csv: a file, instead of the terminal; of mlflow: the tracking URI (sqlite:///mlflow.db, which"
        " `mlflow ui` opens where it stands)",
    )
    arguments = parser.parse_args()
    logs.start(stream=sys.stderr)  # the table is on standard output
    study = Study.read(study_path(arguments.study))
    if arguments.format == "mlflow":
        export.to_mlflow(study, arguments.output or "sqlite:///mlflow.db")
        return
    text = export.metrics_table(study).to_csv(index=False)
    if arguments.output:
        files.write_text(Path(arguments.output), text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    errors.run(main)
