"""The figures, tables and report of a study, and the keys of what each is made from."""

from pathlib import Path

from ablation import files
from ablation.keys import code_of, key_of, run_digests
from ablation.report.figures import catalogue

TEMPLATE = Path(__file__).with_name("page.html.j2")
FACTS_OF_TABLES = ("differs", "epochs", "published_loss", "published_accuracy")


class Outputs:
    """Keys of the outputs of a study, None where a run that they are made from isn't there.

    study: as Plan.study, or the content of study.json; results: the folder of its results.

    runs: digests of those on disk, by model and seed. tables: key of accuracy.csv and what is next to it. figures: by
    the name of the file without its suffix. report: key of index.html.
    """

    def __init__(self, study: dict, results: Path) -> None:
        facts = study["facts"]
        self.runs = runs = run_digests(study, results)
        finished = all(digest for by_seed in runs.values() for digest in by_seed.values())
        made_from = {
            "baseline": facts["baseline"],
            "models": {name: {key: of[key] for key in FACTS_OF_TABLES} for name, of in facts["models"].items()},
            "runs": runs,
            "code": code_of("ablation.report.table", "ablation.report.statistics"),
        }
        self.tables = key_of(made_from) if finished else None
        self.figures: dict[str, str | None] = {}
        for name, figure in catalogue().items():
            code = code_of(f"ablation.report.figures.{name}")
            if figure.scope == "study":
                made_from = {"images": study["images"], "tables": self.tables, "code": code}
                self.figures[name] = key_of(made_from) if finished else None
            elif figure.scope == "whitening" and study["whitened"]:
                self.figures[name] = key_of({"images": study["images"], "whitened": study["whitened"], "code": code})
            elif figure.scope == "model":
                for model in runs:
                    used = {"model": runs[model], "baseline": runs[facts["baseline"]]}
                    made_from = {"images": study["images"], "name": model, "runs": used, "code": code}
                    complete = all(digest for by_seed in used.values() for digest in by_seed.values())
                    self.figures[f"{name}_{model}"] = key_of(made_from) if complete else None
        made_from = {
            "facts": facts,
            "tables": self.tables,
            "figures": self.figures,
            "template": files.file_digest(TEMPLATE),
            "code": code_of("ablation.report.page"),
        }
        self.report = key_of(made_from) if finished else None
