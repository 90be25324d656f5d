"""A finished study as tables, figures and report read it."""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ablation import files
from ablation.errors import InputError
from ablation.keys import bears, key_of
from ablation.report.outputs import Outputs

Frames = list[pd.DataFrame]
OF_A_USER = "if it is a study.json, run snakemake again"  # remedy for a file that a user names
# Of accuracy.csv and comparisons.csv: never numbers, whatever they look like.
TEXT_COLUMNS = [
    "family",
    "model",
    "reference",
    "changes",
    "images",
    "test_time_augmentation",
    "verdict",
    "population_verdict",
]


@dataclass(frozen=True)
class Predictions:
    """Of the runs of one model: probabilities, (seeds, images, classes) float16; predicted, (seeds, images) labels."""

    probabilities: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Whitening:
    """Images, (n, height, width, channels): uint8, and whitened as float32; their (n,) labels; and the ZCA.

    The first images are some of those that the study reports on.

    filters: of the center pixel, (channels, height, width, channels) float32; eigenvalues: (d,) float64, largest
    first; epsilon: what was added to them.
    """

    images: np.ndarray
    whitened: np.ndarray
    labels: np.ndarray
    filters: np.ndarray
    eigenvalues: np.ndarray
    epsilon: float


class Study:
    """The results of a study, each read when it is asked for and checked to be what the study was planned with.

    facts: what tables and report say about the study besides results, as `settings.words.study_facts` returns it.
    models, seeds: in the order of the config. report_on: the images that predictions are of, "test" or "validation".
    outputs: the keys of figures, tables and report.
    """

    def __init__(self, study: dict, results: Path) -> None:
        self.results, self._study = Path(results), study
        self.facts: dict = study["facts"]
        self.models: list[str] = list(study["facts"]["models"])
        self.seeds: list[int] = study["facts"]["seeds"]
        self.baseline: str = study["facts"]["baseline"]
        self.report_on: str = study["facts"]["report_on"]
        self._metrics: dict[tuple[str, int], dict] = {}  # of what was read

    @classmethod
    def read(cls, path: str | Path, remedy: str = files.REMEDY) -> "Study":
        """Return the study of a study.json, which is in the folder `report` of the results.

        Raises InputError, which ends in `remedy`, as `files.read_json`, and for one that was changed since.
        """
        study = files.read_json(path, remedy, facts=dict, key=str)
        if key_of({key: value for key, value in study.items() if key != "key"}) != study["key"]:
            raise InputError(f"{path}: was changed after it was written; {remedy}")
        parents = Path(path).parents
        return cls(study, parents[1] if len(parents) > 1 else Path(".."))

    @cached_property
    def outputs(self) -> Outputs:
        """The keys of figures, tables and report."""
        return Outputs(self._study, self.results)

    def of_best(self, number: int) -> "Study":
        """Return the study with no more models than the `number` best and the baseline."""
        best, table = copy(self), self.accuracies
        kept = {self.baseline, *table["model"].head(number)}
        best.models = [model for model in self.models if model in kept]
        best.accuracies = table[table["model"].isin(kept)]
        return best

    def figure_key(self, name: str, of: str | None = None) -> str | None:
        """Return the key of a figure that is drawn now: from the tables that are there, without a look at all runs."""
        tables = None
        if self.outputs.drawn_from(name) == "tables":
            path = self.results / "report/accuracy.md"
            with files.reading(path, "table"):
                tables = path.read_text(encoding="utf-8").rpartition("<!-- made from ")[2].partition(",")[0]
        return self.outputs.figure(name, of, tables)

    def run_path(self, model: str, seed: int, name: str) -> Path:
        """Return a file of a run."""
        return self.results / f"runs/{model}/seed{seed}/{name}"

    def folders(self) -> set[Path]:
        """Return the folders of data, trainings and runs that the study refers to."""
        data = {self.results / path for path in (self._study["images"], self._study["whitened"]) if path}
        return {path.parent for path in data} | {
            self.results / folder
            for model, key in self._study["trainings"].items()
            for seed in self.seeds
            for folder in (f"trainings/{key}/seed{seed}", f"runs/{model}/seed{seed}")
        }

    @property
    def runs(self) -> list[tuple[str, int]]:
        """The runs of the study, by model, then by seed."""
        return [(model, seed) for model in self.models for seed in self.seeds]

    def is_evaluated(self, model: str, seed: int) -> bool:
        """Tell whether a run has results, of whatever settings."""
        return self.run_path(model, seed, "metrics.json").exists()

    def training(self, model: str, seed: int) -> tuple[Path, dict] | None:
        """Return the folder that holds a planned training and its training.json; None where there is none.

        That is the one of its key, or the run's copy.
        """
        key = self._study["trainings"][model]
        for folder in (self.results / f"trainings/{key}/seed{seed}", self.run_path(model, seed, ".")):
            path = folder / "training.json"
            if path.exists() and (record := files.read_record(path, key=str, made_from=dict))["key"] == key:
                return folder, record
        return None

    def metrics_of(self, model: str) -> list[dict]:
        """Return the metrics.json of a model's runs, one per seed.

        Raises InputError for one that is not of the run that the study was planned with, and as `files.read_record`.
        """
        return [self._metrics_of_run(model, seed) for seed in self.seeds]

    @cached_property
    def metrics(self) -> list[dict]:
        """The metrics.json of all runs, by model, then by seed."""
        return [run for model in self.models for run in self.metrics_of(model)]

    def _metrics_of_run(self, model: str, seed: int) -> dict:
        if (model, seed) in self._metrics:
            return self._metrics[model, seed]
        path = self.run_path(model, seed, "metrics.json")
        metrics = files.read_record(path, key=str, predictions_digest=str, history_digest=str)
        if metrics["key"] != self._study["evaluations"][model][str(seed)]:
            raise InputError(f"{path}: is from other settings, data or code than the study's; run snakemake again")
        self._metrics[model, seed] = metrics
        return metrics

    def predictions(self, model: str) -> Predictions:
        """Return the predictions of a model's runs.

        Raises InputError where a file does not match its digest in metrics.json or is of other images than the
        study's, and as `files.read_npz`.
        """
        runs = []
        for seed in self.seeds:
            probabilities, predicted, labels = self._read_predictions(model, seed)
            if not np.array_equal(labels, self.labels):
                path = self.run_path(model, seed, "predictions.npz")
                raise InputError(f"{path}: is of other images than those of {self.baseline}; delete it, run again")
            runs.append((probabilities, predicted))
        return Predictions(*map(np.stack, zip(*runs, strict=True)))

    @cached_property
    def labels(self) -> np.ndarray:
        """The true labels of the images that the study reports on, (images,) integers."""
        return self._read_predictions(self.baseline, self.seeds[0])[2]

    def _read_predictions(self, model: str, seed: int) -> list[np.ndarray]:
        path = self._checked(model, seed, "predictions.npz", "predictions_digest")
        return files.read_npz(path, "probabilities", "predicted", "labels")

    def histories(self, model: str) -> Frames:
        """Return the history.csv of a model's runs, one per seed.

        Raises InputError where a file does not match its digest in metrics.json, and as `files.read_csv`.
        """
        paths = [self._checked(model, seed, "history.csv", "history_digest") for seed in self.seeds]
        return [files.read_csv(path, "epoch", "loss") for path in paths]

    def _checked(self, model: str, seed: int, name: str, digest: str) -> Path:
        """Return a file of a run after comparing it with its digest in metrics.json."""
        path = self.run_path(model, seed, name)
        with files.reading(path, "file"):
            found = files.file_digest(path)
        if found != self._metrics_of_run(model, seed)[digest]:
            raise InputError(f"{path}: does not match the digest in metrics.json; delete both and run again")
        return path

    @cached_property
    def class_names(self) -> np.ndarray:
        """The names of the classes, (classes,) str."""
        return files.read_npz(self.results / self._study["images"], "class_names")[0]

    @cached_property
    def images(self) -> np.ndarray:
        """The images that the study reports on, as they are, (images, height, width, channels) uint8."""
        return self._reported_on("x_test", "x_train")

    @cached_property
    def image_files(self) -> np.ndarray | None:
        """The names of their files, (images,) str; None where they have none."""
        names = self._reported_on("test_files", "train_files")
        return names if len(names) else None

    def _reported_on(self, of_test: str, of_train: str) -> np.ndarray:
        """Return the part of an array of images.npz that the study reports on; validation images are the last ones."""
        n = len(self.labels)
        if self.report_on == "test":
            return files.read_npz(self.results / self._study["images"], of_test)[0][:n]
        return files.read_npz(self.results / self._study["images"], of_train)[0][-n:]

    def mistakes(self, model: str, runs: Predictions | None = None) -> pd.DataFrame:
        """Return the images that a model gets wrong by the mean of its seeds' probabilities, the surest mistake first.

        runs: its predictions, where they are read already.

        Columns: `image`, its index in predictions.npz; `file`, its name or ""; `class` and `predicted`, names of
        classes; `probability`, the mean one of the latter; `seeds_wrong`, how many runs get it wrong by themselves.
        """
        runs = runs or self.predictions(model)
        mean = runs.probabilities.mean(axis=0, dtype=np.float64)
        predicted, probability = mean.argmax(axis=1), mean.max(axis=1)
        wrong = np.flatnonzero(predicted != self.labels)
        wrong = wrong[np.argsort(-probability[wrong], kind="stable")]
        return pd.DataFrame(
            {
                "image": wrong,
                "file": "" if self.image_files is None else self.image_files[wrong],
                "class": self.class_names[self.labels[wrong]],
                "predicted": self.class_names[predicted[wrong]],
                "probability": probability[wrong].round(4),
                "seeds_wrong": (runs.predicted[:, wrong] != self.labels[wrong]).sum(axis=0),
            }
        )

    @cached_property
    def warnings(self) -> list[str]:
        """What the jobs that made the data warned of, as far as it concerns the images that the study reports on."""
        repeats, whitened = self._record("images").get("repeats", {}), self._study["whitened"]
        warnings = [f"the images are {source}"] if (source := self.facts["source_warning"]) else []
        warnings += [text for part, text in repeats.items() if part in ("train", self.report_on)]
        if whitened and self.report_on == "test" and (spread := self._record("whitened").get("warning")):
            warnings.append(f"models with input zca: {spread}")
        return warnings

    def _record(self, name: str) -> dict:
        """Return the record of the images, or of the whitened ones."""
        return files.read_record((self.results / self._study[name]).with_suffix(".json"))

    @cached_property
    def whitening(self) -> Whitening:
        """What the whitening did."""
        filters, eigenvalues, epsilon = files.read_npz(
            self.results / self._study["whitened"], "filters", "eigenvalues", "epsilon"
        )
        part, order = ("test", 1) if self.report_on == "test" else ("train", -1)  # validation images are the last ones
        images, labels = files.read_npz(self.results / self._study["images"], f"x_{part}", f"y_{part}")
        (whitened,) = files.read_npz(self.results / self._study["whitened"], f"x_{part}")
        return Whitening(images[::order], whitened[::order], labels[::order], filters, eigenvalues, float(epsilon))

    @property
    def looks(self) -> dict[str, dict[str, str]]:
        """The trainings compared in this folder so far: by the images that they were compared on, keys and models."""
        path = self.results / "report/looks.json"
        looks = files.read_json(path) if path.exists() else {}
        if not all(isinstance(seen, dict) for seen in looks.values()):
            raise InputError(f"{path}: is no record of comparisons; {files.REMEDY}, which counts from nothing")
        return looks

    def log_look(self) -> None:
        """Remember that the models of the study were compared, and on which images; looks.json outlives the tables."""
        looks = self.looks
        seen = {key: model for model, key in self._study["trainings"].items()}
        looks[self.report_on] = looks.get(self.report_on, {}) | seen
        files.write_json(self.results / "report/looks.json", looks)

    @cached_property
    def accuracies(self) -> pd.DataFrame:
        """The table of accuracies, accuracy.csv."""
        return self._table("accuracy.csv")

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """The table of comparisons, comparisons.csv."""
        return self._table("comparisons.csv")

    def _table(self, name: str) -> pd.DataFrame:
        path = self.results / "report" / name
        with files.reading(path, "CSV"):
            digest = files.file_digest(path)
        if not bears(path.with_name("accuracy.md"), digest):
            raise InputError(f"{path}: was changed after it was made; {files.REMEDY}")
        return read_table(path)

    def figure(self, name: str) -> str:
        """Return the SVG of a figure. Raises InputError for one that is not what the study's results make."""
        path = self.results / f"figures/{name}.svg"
        with files.reading(path, "SVG"):
            content = path.read_text(encoding="utf-8")
        if not bears(path, self.outputs.figures[name]):
            raise InputError(f"{path}: was made from other results, or cut short; {files.REMEDY}")
        return content


def confusion_counts(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return how many images of each class each run takes for each: (seeds, classes, classes) int64, true ones first.

    predicted: (seeds, images) labels; labels: (images,).
    """
    pairs = labels * classes + predicted
    return np.stack([np.bincount(of_run, minlength=classes**2) for of_run in pairs]).reshape(-1, classes, classes)


def study_path(name: str) -> Path:
    """Return the study.json that a user means: by its own name, or by that of the folder of the results.

    Raises InputError where there is none.
    """
    path = Path(name) / "report/study.json" if Path(name).is_dir() else Path(name)
    if not path.exists():
        what = "no study there: it has no report/study.json" if Path(name).is_dir() else "no such file"
        raise InputError(f"{name}: {what}; name the folder of a study's results, or a study.json")
    return path


def read_table(path: str | Path) -> pd.DataFrame:
    """Return accuracy.csv or comparisons.csv as a DataFrame, with "" for texts that are missing and NaN for numbers.

    Raises InputError as `files.read_csv` does.
    """
    frame = files.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, na_values=[""])
    return frame.fillna(dict.fromkeys(TEXT_COLUMNS, ""))
