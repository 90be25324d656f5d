"""Collate all runs: a table of accuracies, best first, the comparisons of all models, and their mistakes."""

import argparse

from ablation import errors, files
from ablation.report import table
from ablation.report.study import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="study.json")
    for output in ("accuracy", "comparisons", "mistakes", "latex", "markdown"):
        parser.add_argument(f"--{output}", required=True)
    arguments = parser.parse_args()

    study = Study.read(arguments.study)
    key = study.outputs.tables  # before anything is read
    accuracies, comparisons = table.study_tables(study)
    texts = table.paper_table(accuracies)

    with files.atomic_write(arguments.comparisons) as temporary:
        comparisons.to_csv(temporary, index=False)
    with files.atomic_write(arguments.mistakes) as temporary:
        table.mistakes_table(study).to_csv(temporary, index=False)
    with files.atomic_write(arguments.accuracy) as temporary:
        accuracies.to_csv(temporary, index=False)
    files.write_text(arguments.latex, table.latex(texts))
    study.log_look()
    # Last, as the one of the five that bears the key, and digests of what figures and report are made from.
    digests = f"{files.file_digest(arguments.accuracy)}, {files.file_digest(arguments.comparisons)}"
    end = f"<!-- made from {key}, with {digests} -->"
    files.write_text(arguments.markdown, f"{table.markdown(texts)}\n\n{end}\n")


if __name__ == "__main__":
    errors.run(main)
