"""How far a study is, from its files alone: what is finished, what runs, and how long the rest will take."""

import json
import os
import platform
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ablation import files
from ablation.errors import InputError
from ablation.keys import run_digests
from ablation.plan import Plan

PACES = Path(".snakemake/pace.json")  # what `make plan` timed: seconds of an epoch and bytes of a model, by key
SILENCE = 3600  # seconds without a saved state after which a process on another machine counts as dead


@dataclass(frozen=True)
class Training:
    """One training, which models may share.

    state: "finished", "running", "stopped" (and resumes from its saved state) or "missing". done: of its epochs, those
    that are finished or saved; seconds: their wall time, 0 if it is not known.
    """

    epochs: int
    state: str
    done: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Totals:
    """Of the trainings of one key: how many are finished, epochs, those done, the most that one has left.

    pace: seconds of an epoch; None where none was measured.
    """

    finished: int
    epochs: int
    done: int
    longest: int
    pace: float | None

    @classmethod
    def of(cls, trainings: list[Training]) -> "Totals":
        """Return the totals of trainings."""
        measured = [training for training in trainings if training.seconds]
        seconds, done = sum(training.seconds for training in measured), sum(training.done for training in measured)
        return cls(
            sum(training.state == "finished" for training in trainings),
            sum(training.epochs for training in trainings),
            sum(training.done for training in trainings),
            max(training.epochs - training.done for training in trainings),
            seconds / done if measured else None,
        )


class Progress:
    """The state of a study at the time this is made.

    runs: as `keys.run_digests`. trainings: by key and seed. pace: seconds of an epoch by key, from trainings with that
    key; else as timed before; else the mean of the other keys, or 1 where nothing is known and `measured` is False.
    """

    def __init__(self, plan: Plan, paces: Path = PACES) -> None:
        self.plan = plan
        self.runs = run_digests(plan.study, plan.results)
        self.trainings: dict[tuple[str, int], Training] = {}
        self.timed: dict[str, dict] = {}
        with suppress(InputError):
            self.timed = {key: pace for key, pace in files.read_json(paces).items() if _is_pace(pace)}
        self._known: dict[str, float] = {}
        self._totals: dict[str, Totals] = {}
        self.update((key, seed) for key in plan.models_trained_as for seed in plan.config["seeds"])

    def update(self, which: Iterable[tuple[str, int]]) -> None:
        """Look again at some trainings, each a key and a seed; this costs nothing for the others."""
        which = list(which)
        self.trainings |= {(key, seed): self._training(key, seed) for key, seed in which}
        for key in dict.fromkeys(key for key, _ in which):
            self._totals[key] = totals = Totals.of([self.trainings[key, seed] for seed in self.plan.config["seeds"]])
            pace = totals.pace or self.timed.get(key, {}).get("seconds")
            self._known |= {key: pace} if pace else {}
        self.measured = bool(self._known)
        mean = sum(self._known.values()) / len(self._known) if self._known else 1.0
        self.pace = {key: self._known.get(key, mean) for key in self.plan.models_trained_as}
        self.unknown = [key for key in self.pace if key not in self._known]

    def _training(self, key: str, seed: int) -> Training:
        models = self.plan.models_trained_as[key]
        epochs = self.plan.config["models"][models[0]]["epochs"]
        folder = self.plan.results / self.plan.training_path(models[0], seed)
        if self.plan.is_trained(key, seed) or all(self.runs[model][str(seed)] for model in models):
            # Of a finished run, files that nothing needs any more may be gone.
            records = [folder, *(self.plan.results / f"runs/{model}/seed{seed}" for model in models)]
            return Training(epochs, "finished", epochs, next(map(_recorded_seconds, filter(_has_record, records)), 0.0))
        saved = _saved_epochs(folder / "checkpoint.npz")
        state = "running" if _is_running(folder) else "missing" if saved is None else "stopped"
        return Training(epochs, state, len(saved or []), sum(saved or []))

    def model_bytes(self, key: str) -> int:
        """Return the size of the model of a key, of one that is there or as it was timed; 0 if it is not known."""
        models = (self.plan.results / f"trainings/{key}").glob("seed*/model.keras")
        return next((path.stat().st_size for path in models), self.timed.get(key, {}).get("bytes", 0))

    def of(self, model: str, seed: int) -> Training:
        """Return the training of a model with a seed."""
        return self.trainings[self.plan.training_keys[model], seed]

    def left(self, key: str, seed: int) -> float:
        """Return the seconds that a training still needs: its epochs left times the pace of its key."""
        training = self.trainings[key, seed]
        return (training.epochs - training.done) * self.pace[key]

    @property
    def share(self) -> float:
        """The fraction of the training that is done, by work: sums over trainings of epochs times pace."""
        done = sum(totals.done * self.pace[key] for key, totals in self._totals.items())
        return done / sum(totals.epochs * self.pace[key] for key, totals in self._totals.items())

    def seconds_left(self, at_once: int) -> float:
        """Return the seconds until all is trained, so many trainings at once; no less than the longest one needs."""
        left = sum((totals.epochs - totals.done) * self.pace[key] for key, totals in self._totals.items())
        return max(left / at_once, *(totals.longest * self.pace[key] for key, totals in self._totals.items()), 0.0)

    def count(self, state: str) -> int:
        """Return the number of trainings in a state."""
        return sum(training.state == state for training in self.trainings.values())

    def sentence(self, at_once: int) -> str:
        """Return how much is done, and the time left with so many trainings at once."""
        finished, total = sum(totals.finished for totals in self._totals.values()), len(self.trainings)
        if finished == total:
            return f"100% of the training done ({total} of {total})"
        time_left = f"; about {duration(self.seconds_left(at_once))} of training left" if self.measured else ""
        percent = min(int(100 * self.share), 99)
        return f"{percent}% of the training done ({finished} of {total}){time_left}"


def _is_pace(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(number, int | float) and number > 0 for number in value.values())


def duration(seconds: float) -> str:
    """Return seconds in words, two units at most: "12 s", "4 min", "2 h 5 min", "3 days 4 h"."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min".removesuffix(" 0 min")
    return f"{hours // 24} day{'s' * (hours >= 48)} {hours % 24} h".removesuffix(" 0 h")


def recorded_accuracy(folder: Path, report_on: str) -> float | None:
    """Return the accuracy in the metrics.json of a run's folder, a fraction; None without."""
    with suppress(InputError):
        return files.read_json(folder / "metrics.json").get(f"{report_on}_accuracy")
    return None


def _has_record(folder: Path) -> bool:
    return (folder / "training.json").exists()


def _recorded_seconds(folder: Path) -> float:
    with suppress(InputError):
        return files.read_json(folder / "training.json", seconds=float)["seconds"]
    return 0.0


def _saved_epochs(checkpoint: Path) -> list[float] | None:
    """Return the seconds of each finished epoch in a saved state; None without one."""
    if not checkpoint.exists():
        return None
    with suppress(InputError, ValueError, KeyError, TypeError):
        (progress,) = files.read_npz(checkpoint, "progress")
        return [row["seconds"] for row in json.loads(str(progress))["history"]]
    return None


def _is_running(folder: Path) -> bool:
    """Tell whether a process trains in a folder: the one that its lock file names. The lock itself is not touched."""
    lock = folder / "checkpoint.lock"
    with suppress(OSError):
        holder = re.match(r"process (\d+) on (.*)\n", lock.read_text())
        if holder and holder[2] == platform.node():
            with suppress(PermissionError):  # another user's
                os.kill(int(holder[1]), 0)
            return True
        written = [path.stat().st_mtime for path in (lock, folder / "checkpoint.npz") if path.exists()]
        return holder is not None and time.time() - max(written) < SILENCE
    return False
