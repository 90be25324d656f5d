"""Collate all runs: accuracies, best first, comparisons of all models; what each answers, by class and by image."""

import argparse

from ablation import errors, files
from ablation.report import answers, table
from ablation.report.study import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="study.json")
    tables = ("accuracy", "comparisons", "confusion", "classes", "mistakes")
    for output in (*tables, "predictions", "latex", "markdown"):
        parser.add_argument(f"--{output}", required=True)
    arguments = parser.parse_args()

    study = Study.read(arguments.study)
    key = study.outputs.tables  # before anything is read
    with files.atomic_write(arguments.predictions) as temporary:
        found = answers.collate(study, temporary)
    accuracies, comparisons = table.study_tables(study, found.scores, found.balanced_accuracies)
    texts = table.paper_table(accuracies)

    for name, content in zip(
        tables, (accuracies, comparisons, found.confusion, found.classes, found.mistakes), strict=True
    ):
        with files.atomic_write(getattr(arguments, name)) as temporary:
            content.to_csv(temporary, index=False)
    files.write_text(arguments.latex, table.latex(texts, table.caption(accuracies, study.baseline)))
    study.log_look()
    # Last, as the one that bears the key, and digests of what figures and report are made from.
    digests = f"{files.file_digest(arguments.accuracy)}, {files.file_digest(arguments.comparisons)}"
    end = f"<!-- made from {key}, with {digests} -->"
    files.write_text(arguments.markdown, f"{table.markdown(texts)}\n\n{end}\n")


if __name__ == "__main__":
    errors.run(main)
