"""The figures, tables and report of a study, and the keys of what each is made from."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from ablation import files
from ablation.keys import code_of, key_of, run_digests
from ablation.report.figures import catalogue, names
from ablation.report.wording import FEW

TEMPLATE = Path(__file__).with_name("page.html.j2")
FACTS_OF_TABLES = ("differs", "epochs", "published_loss", "published_accuracy")
TABLE_FILES = (  # of report/; the last one bears the key
    *("accuracy.csv", "comparisons.csv", "confusion.csv", "classes.csv", "mistakes.csv", "predictions.csv.gz"),
    *("accuracy.tex", "accuracy.md"),
)
Runs = dict[str, dict[str, str | None]]


class Outputs:
    """Keys of the outputs of a study, each found when it is asked for; None where a run that it needs isn't there.

    study: as Plan.study, or the content of study.json; results: the folder of its results; runs: as `runs`, where they
    are known already.
    """

    def __init__(self, study: dict, results: Path, runs: Runs | None = None) -> None:
        self._study, self._results, self._facts = study, results, study["facts"]
        self._found: Runs = dict(runs or {})

    @property
    def runs(self) -> Runs:
        """Digests of the runs on disk, by model and seed."""
        return self._runs_of(*self._study["evaluations"])

    def _runs_of(self, *models: str) -> Runs:
        unread = [model for model in models if model not in self._found]
        self._found |= run_digests(self._study, self._results, unread)
        return {model: self._found[model] for model in models}

    @cached_property
    def tables(self) -> str | None:
        """The key of accuracy.csv and what is next to it."""
        facts = self._facts
        return _key_with_runs(
            self.runs,
            images=self._study["images"],  # whose files and classes the tables name
            baseline=facts["baseline"],
            same_as=facts["same_as"],
            report_on=facts["report_on"],
            families={name: [family["of"], family["compared"]] for name, family in facts["families"].items()},
            models={name: {key: of[key] for key in FACTS_OF_TABLES} for name, of in facts["models"].items()},
            code=code_of("ablation.report.answers", "ablation.report.table", "ablation.report.statistics"),
        )

    @cached_property
    def names(self) -> dict[str, tuple[str, str | None]]:
        """The figures by the name of the file without its suffix: which one of the catalogue, and of what."""
        found: dict[str, tuple[str, str | None]] = {}
        for name, figure in catalogue().items():
            if figure.scope in ("model", "family"):
                found |= {f"{name}_{of}": (name, of) for of in names(name, self._facts)}
            elif figure.scope == "study" or self._study["whitened"]:
                found[name] = name, None
        return found

    def drawn_from(self, name: str) -> str:
        """Return what a figure of the catalogue is drawn from: "whitening", "runs" of two models, or the "tables"."""
        scope = catalogue()[name].scope
        if scope == "model":
            return "runs" if len(self._facts["models"]) <= FEW else "tables"
        return "whitening" if scope == "whitening" else "tables"

    def figure(self, name: str, of: str | None = None, tables: str | None = None) -> str | None:
        """Return the key of a figure. tables: the key of the tables that it is drawn from, if not the planned ones."""
        study, facts = self._study, self._facts
        made_from = {"images": study["images"], "of": of, "code": code_of(f"ablation.report.figures.{name}")}
        match self.drawn_from(name):
            case "whitening":
                return key_of({"whitened": study["whitened"], "report_on": facts["report_on"], **made_from})
            case "runs":
                return _key_with_runs(self._runs_of(*{of or "", facts["baseline"]}), **made_from)
        tables = tables or self.tables
        return key_of({"tables": tables, "family": facts["families"].get(of), **made_from}) if tables else None

    @cached_property
    def figures(self) -> dict[str, str | None]:
        """The keys of all figures, as `names`."""
        return {stem: self.figure(*which) for stem, which in self.names.items()}

    @property
    def report(self) -> str | None:
        """The key of index.html."""
        return _key_with_runs(
            self.runs,
            facts=self._facts,
            tables=self.tables,
            figures=self.figures,
            words={name: asdict(figure) for name, figure in catalogue(self._facts["report_on"]).items()},
            template=files.file_digest(TEMPLATE),
            code=code_of("ablation.report.page"),
        )


def _key_with_runs(runs: Runs, **made_from: object) -> str | None:
    """Return the key of what is made from runs and other things; None where one of the runs isn't there."""
    complete = all(digest for by_seed in runs.values() for digest in by_seed.values())
    return key_of({"runs": runs, **made_from}) if complete else None
