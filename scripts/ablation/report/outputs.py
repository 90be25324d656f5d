"""The figures, tables and report of a study, and the keys of what each is made from."""

from dataclasses import asdict
from pathlib import Path

from ablation import files
from ablation.keys import code_of, key_of, run_digests
from ablation.report.figures import catalogue, names

TEMPLATE = Path(__file__).with_name("page.html.j2")
FACTS_OF_TABLES = ("differs", "epochs", "published_loss", "published_accuracy")
TABLE_FILES = (  # of report/; the last one bears the key
    *("accuracy.csv", "comparisons.csv", "confusion.csv", "classes.csv", "mistakes.csv", "predictions.csv.gz"),
    *("accuracy.tex", "accuracy.md"),
)
Runs = dict[str, dict[str, str | None]]


class Outputs:
    """Keys of the outputs of a study, None where a run that they are made from isn't there.

    study: as Plan.study, or the content of study.json; results: the folder of its results.

    runs: digests of those on disk, by model and seed. tables: key of accuracy.csv and what is next to it. figures: by
    the name of the file without its suffix. report: key of index.html.
    """

    def __init__(self, study: dict, results: Path) -> None:
        facts = study["facts"]
        self.runs: Runs = run_digests(study, results)
        self.tables = _key_with_runs(
            self.runs,
            images=study["images"],  # whose files and classes the tables name
            baseline=facts["baseline"],
            same_as=facts["same_as"],
            report_on=facts["report_on"],
            families={name: [family["of"], family["compared"]] for name, family in facts["families"].items()},
            models={name: {key: of[key] for key in FACTS_OF_TABLES} for name, of in facts["models"].items()},
            code=code_of("ablation.report.answers", "ablation.report.table", "ablation.report.statistics"),
        )
        self.figures: dict[str, str | None] = {}
        words = catalogue(facts["report_on"])
        for name, figure in words.items():
            made_from = {"images": study["images"], "code": code_of(f"ablation.report.figures.{name}")}
            if figure.scope == "study":
                self.figures[name] = _key_with_runs(self.runs, tables=self.tables, **made_from)
            elif figure.scope == "whitening" and study["whitened"]:
                self.figures[name] = key_of(
                    {"whitened": study["whitened"], "report_on": facts["report_on"], **made_from}
                )
            elif figure.scope == "family":
                for family in names(name, facts):
                    made_from |= {"family": facts["families"][family], "tables": self.tables}
                    self.figures[f"{name}_{family}"] = _key_with_runs(self.runs, **made_from)
            elif figure.scope == "model":
                for model in self.runs:
                    used = {key: self.runs[key] for key in (model, facts["baseline"])}
                    self.figures[f"{name}_{model}"] = _key_with_runs(used, model=model, **made_from)
        self.report = _key_with_runs(
            self.runs,
            facts=facts,
            tables=self.tables,
            figures=self.figures,
            words={name: asdict(figure) for name, figure in words.items()},
            template=files.file_digest(TEMPLATE),
            code=code_of("ablation.report.page"),
        )


def _key_with_runs(runs: Runs, **made_from: object) -> str | None:
    """Return the key of what is made from runs and other things; None where one of the runs isn't there."""
    complete = all(digest for by_seed in runs.values() for digest in by_seed.values())
    return key_of({"runs": runs, **made_from}) if complete else None
