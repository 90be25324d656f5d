"""Export a finished study: csv, one long table of metrics by model, seed and epoch; or mlflow, a run each."""

import argparse
import sys
from pathlib import Path

from ablation import errors, files, logs
from ablation.report import export
from ablation.report.study import OF_A_USER, Study, study_path


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
    study = Study.read(study_path(arguments.study), OF_A_USER)
    if missing := [f"{model} seed {seed}" for model, seed in study.runs if not study.is_evaluated(model, seed)]:
        raise errors.InputError(f"{arguments.study}: {missing[0]} is not finished; run snakemake first")
    if arguments.format == "mlflow":
        export.to_mlflow(study, arguments.output or "sqlite:///mlflow.db")
        return
    text = export.metrics_table(study).to_csv(index=False)
    if arguments.output:
        if study.results.resolve() in Path(arguments.output).resolve().parents:
            raise errors.InputError(f"{arguments.output}: is in the results of the study; name a file elsewhere")
        with files.user_output(arguments.output) as output:
            output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    errors.run(main)
