"""Two studies, or one at two times: what differs in what their models were made from, and how accuracy moved."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablation import files
from ablation.errors import InputError
from ablation.report import statistics
from ablation.report.study import OF_A_USER, Study, study_path
from ablation.report.table import interval, percent, points
from ablation.settings.words import value_in_words

WIDTH = 80  # columns
NAME = 16  # letters of a model's name beside its figures; a longer one has a line of its own
Facts = dict[str, dict[str, Any]]  # of a model: by kind, then by name


@dataclass(frozen=True)
class Move:
    """How the accuracy of a model moved, in texts: before, after, their difference and its interval; and a verdict."""

    before: str = "–"
    after: str = "–"
    difference: str = ""
    interval: str = ""
    note: str = ""

    @classmethod
    def of(cls, before: float, after: float, ends: tuple[float, float] | None, note: str = "") -> "Move":
        """Return the texts of fractions."""
        text = interval(*ends, points) if ends and np.isfinite(ends).all() else ""
        return cls(percent(before), percent(after), points(after - before), text, note)

    def lines(self, name: str, width: int) -> list[str]:
        """Return a line of the table, or two: a name that is longer than `width` stands above its figures."""
        first = [name] if len(name) > width else []
        cells = f"{'' if first else name:{width}}  {self.before:>6}  {self.after:>6}  {self.difference:>7}"
        notes = textwrap.wrap(self.note, WIDTH - width - 44) or [""]
        rows = [f"{cells}  {self.interval:17}  {notes[0]}", *(" " * (width + 46) + rest for rest in notes[1:])]
        return [*first, *(row.rstrip() for row in rows)]


def read_studies(*names: str) -> list[Study]:
    """Return two studies, each named by the folder of its results or by a study.json.

    A copy of a study.json that is outside of its results, as one kept from another time, is looked up in the results
    of the other one.

    Raises InputError for two such copies, and as `study_path` and `Study.read`.
    """
    paths = [study_path(name) for name in names]
    studies = [Study.read(path, OF_A_USER) for path in paths]
    inside = [path.absolute().parent.name == "report" for path in paths]
    if not any(inside):
        raise InputError(f"{names[0]}, {names[1]}: both are copies; name the folder of the results as one of the two")
    for study, other, is_inside in zip(studies, studies[::-1], inside, strict=True):
        if not is_inside:
            study.results = other.results
    return studies


def matched_models(a: Study, b: Study) -> list[tuple[str, str]]:
    """Return the models that both studies have, by name or else by settings: pairs of names, in the order of a."""
    pairs = {name: name for name in a.models if name in b.models}
    left = {name: _settings(b, name) for name in b.models if name not in pairs}
    for name in a.models:
        settings = None if name in pairs else _settings(a, name)
        twin = next((other for other in left if settings and left[other] == settings), None)
        if twin is not None:
            pairs[name] = twin
            del left[twin]
    return [(name, pairs[name]) for name in a.models if name in pairs]


def lines(name_a: str, name_b: str) -> Iterator[str]:
    """Yield what `scripts/diff.py` prints of two studies, named as for `read_studies`: lines of WIDTH columns."""
    a, b = read_studies(name_a, name_b)
    pairs = matched_models(a, b)
    for letter, name, study in (("A", name_a, a), ("B", name_b, b)):
        yield from _wrapped(f"{letter}  {name}: {study.facts['title']}", 3)
    yield ""
    for letter, study, there in (("A", a, dict(pairs)), ("B", b, {name for _, name in pairs})):
        if only := [name for name in study.models if name not in there]:
            yield from _wrapped(f"only in {letter}: {', '.join(only)}", 2)
    for name, other in pairs:
        if name != other:
            yield from _wrapped(f"renamed: {name} -> {other} (its settings are the same)", 2)
    if a.seeds != b.seeds:
        yield from _wrapped(f"seeds: {_list(a.seeds)} -> {_list(b.seeds)}", 2)
    for name in ("baseline", "report_on"):
        if a.facts[name] != b.facts[name]:
            yield from _wrapped(f"{name}: {a.facts[name]} -> {b.facts[name]}", 2)
    if not pairs:
        yield from _wrapped("A and B have no model in common, by name or by settings: nothing is compared", 2)
        return
    yield from _differences(a, b, pairs)
    yield ""
    yield from _movements(a, b, pairs)


def _differences(a: Study, b: Study, pairs: list[tuple[str, str]]) -> Iterator[str]:
    """Yield a heading per kind of what differs, and a line per difference with the models that it is of."""
    found: dict[str, dict[str, list[str]]] = {kind: {} for kind in ("settings", "data", "code", "versions")}
    unknown = []
    for name, other in pairs:
        evaluated = _is_finished(a, name) and _is_finished(b, other)
        before, after = _facts(a, name, evaluated), _facts(b, other, evaluated)
        if not before or not after:
            unknown.append(f"{name} (not trained in {'B' if before else 'A' if after else 'A and B'})")
            continue
        for kind, of_kind in found.items():
            for key in [*before[kind], *(key for key in after[kind] if key not in before[kind])]:
                old, new = (facts[kind].get(key, facts["off"].get(key)) for facts in (before, after))
                if kind == "code":
                    differs, what = _is_edited(old, new), key
                else:
                    differs, what = old != new, f"{key} {_words(old)} -> {_words(new)}"
                if differs:
                    of_kind.setdefault(what, []).append(name)
    for kind, of_kind in found.items() if len(unknown) < len(pairs) else ():
        yield f"{kind}:" if of_kind else f"{kind}: the same{' where known' if unknown else ''}"
        for what, models in of_kind.items():
            whose = "all models" if len(models) == len(pairs) > 1 else ", ".join(models)
            yield from _wrapped(f"  {whose}: {what}", 6)
    if unknown:
        yield from _wrapped(f"unknown: {', '.join(unknown)}", 2)


def _facts(study: Study, model: str, evaluated: bool) -> Facts:
    """Return what a model was made from, by kind; {} where it isn't trained. evaluated: with what an evaluation adds.

    settings, data, code and versions are what a difference counts in; `off` are settings that change nothing.
    """
    if (trained := study.training(model, study.seeds[0])) is None:
        return {}
    _, record = trained
    made_from = record["made_from"]
    images = made_from["data"].get("images", made_from["data"])
    whitening = made_from["data"] if "images" in made_from["data"] else {}
    facts: Facts = {
        "settings": {
            **made_from["spec"],
            "train_images": made_from["train_images"],
            "device": made_from["device"],
            **{f"whitening {key}": value for key, value in whitening.items() if key not in ("images", "code")},
        },
        "data": {
            **{key: value for key, value in images.items() if key != "code"},
            "training images": record["train_digest"],
        },
        "code": {
            "training": made_from["code"],
            "data set": images["code"],
            "whitening": whitening.get("code"),
            "network of your own": made_from.get("network"),
        },
        "versions": {
            **record["versions"],
            "revision": record["git_revision"],
            "device": record["device"],
            "precision": record["precision"],
        },
        "off": record["spec"],
    }
    if evaluated:
        metrics = study.metrics_of(model)[0]
        made_from = metrics["made_from"]
        facts["settings"] |= {key: made_from[key] for key in ("test_images", "test_time_augmentation")}
        facts["data"][f"{study.report_on} images"] = metrics[f"{study.report_on}_digest"]
        facts["code"]["evaluation"] = made_from["code"]
    return facts


def _settings(study: Study, model: str) -> dict[str, Any] | None:
    return _facts(study, model, _is_finished(study, model)).get("settings")


def _is_finished(study: Study, model: str) -> bool:
    return all(study.outputs.runs[model].values())


def _is_edited(old: Any, new: Any) -> bool:
    """Tell whether code differs that both have; that others of its modules are used, is a matter of settings."""
    same_modules = isinstance(old, dict) and isinstance(new, dict) and old["modules"] == new["modules"]
    return old != new and (same_modules or (isinstance(old, str) and isinstance(new, str)))


def _list(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds))


def _words(value: Any) -> str:
    """Return a value as text, a digest or a revision by its first digits."""
    if isinstance(value, str) and len(value) >= 40 and set(value.partition("-")[0]) <= set("0123456789abcdef"):
        return value[:7] + value[40:] if len(value) < 64 else value[:8]
    return value_in_words(value)


def _movements(a: Study, b: Study, pairs: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the table of accuracies, a row per model, and what its intervals and verdicts are of."""
    finished = [(name, other) for name, other in pairs if _is_finished(a, name) and _is_finished(b, other)]
    n, common = min(len(a.seeds), len(b.seeds)), [seed for seed in a.seeds if seed in b.seeds]
    a.seeds, b.seeds = (common, common) if common else (a.seeds[:n], b.seeds[:n])
    moves = {name: _of_validation(a, name, b, other) for name, other in pairs if (name, other) not in finished}
    notes = [f"A and B: mean over seed{'s' * (len(a.seeds) > 1)} {_list(a.seeds)}"]
    notes[0] += "" if common else f", and {_list(b.seeds)}"
    if finished:
        a.baseline, b.baseline = finished[0]  # whose labels all others are checked to have
        of_tests, what = _of_predictions(a, b, finished)
        moves |= of_tests
        notes += what
    if len(finished) < len(pairs):
        notes.append(
            "(val): accuracy on validation images after the last epoch, from history.csv, since the predictions of A or"
            " B are not there (any more); no verdict."
        )
    head = Move("A, %", "B, %", "B - A", "95% interval", "verdict")
    narrow = max([5, *(len(name) for name in moves if len(name) <= NAME)])
    yield from head.lines("model", narrow)
    for name, _ in pairs:
        yield from moves[name].lines(name, narrow)
    yield ""
    for note in notes:
        yield from _wrapped(note, 0)


def _of_predictions(a: Study, b: Study, pairs: list[tuple[str, str]]) -> tuple[dict[str, Move], list[str]]:
    """Return how the accuracies of finished models moved, by name, and notes on intervals and verdicts."""
    digests = {}
    scores: dict[str, statistics.SeedScores] = {}
    for name, other in pairs:
        for side, study, model in (("A", a, name), ("B", b, other)):
            correct = study.predictions(model).predicted == study.labels
            scores[f"{side} {name}"] = statistics.SeedScores.from_correct(correct)
            digests[side, name] = [run["predictions_digest"] for run in study.metrics_of(model)]
    means = {name: (scores[f"A {name}"].accuracy, scores[f"B {name}"].accuracy) for name, _ in pairs}
    if _images(a, pairs[0][0]) != _images(b, pairs[0][1]):
        moves = {
            name: Move.of(*means[name], statistics.independent_interval(scores[f"B {name}"], scores[f"A {name}"]))
            for name, _ in pairs
        }
        return moves, [
            "A and B report on different images: the intervals are over seeds and images of two studies that"
            " share nothing, and there is no verdict."
        ]
    moves = {
        name: Move.of(*means[name], None, "the same answers")
        for name, _ in pairs
        if digests["A", name] == digests["B", name]
    }
    alike: dict[tuple, list[str]] = {}  # models of the same predictions on both sides, which are tested once
    for name, _ in pairs:
        if name not in moves:
            alike.setdefault((*digests["A", name], *digests["B", name]), []).append(name)
    tested = {"moved": [(f"B {names[0]}", f"A {names[0]}") for names in alike.values()]}
    weak = statistics.at_chance(scores, statistics.chance_level(a.labels))
    for row in statistics.compare_pairs(tested, scores, weak).to_dict("records"):
        name = row["model"].removeprefix("B ")
        ends = ("low", "high") if row["seeds"] > 1 else ("population_low", "population_high")
        verdict = row["verdict"]
        if row["population_verdict"] != verdict:
            verdict += f"; on new images {row['population_verdict']}"
        moves[name] = Move.of(*means[name], tuple(row[end] for end in ends), verdict)
    moves |= {name: moves[names[0]] for names in alike.values() for name in names}
    notes = []
    if count := len(tested["moved"]):
        of = "the means over seeds, on these images" if len(a.seeds) > 1 else "these two networks, on new images"
        notes.append(f"Intervals: of {of}. Verdicts: corrected for {count} test{'s' * (count > 1)} (Holm).")
    return moves, notes


def _of_validation(a: Study, name: str, b: Study, other: str) -> Move:
    """Return how the validation accuracy after the last epoch moved, where the trainings are there."""
    accuracies = []
    for side, study, model in (("A", a, name), ("B", b, other)):
        trained = [study.training(model, seed) for seed in study.seeds]
        if None in trained:
            return Move(note=f"not trained in {side}")
        histories = [_history(*of_seed) for of_seed in trained if of_seed]
        accuracies.append(np.array([history["val_accuracy"].iloc[-1] for history in histories]))
    before, after = accuracies
    if np.isnan([*before, *after]).any():
        return Move(note="no predictions, no validation images")
    ends = statistics.welch_interval(after, before) if len(before) > 1 else None
    return Move.of(before.mean(), after.mean(), ends, "(val)")


def _history(folder: Path, record: dict[str, Any]) -> pd.DataFrame:
    """Return the history.csv of a training, which its training.json has a digest of."""
    path = folder / "history.csv"
    with files.reading(path, "file"):
        if files.file_digest(path) != record["history_digest"]:
            raise InputError(f"{path}: does not match the digest in training.json; {files.REMEDY}")
    return files.read_csv(path, "val_accuracy")


def _images(study: Study, model: str) -> str:
    """Return the digest of the images that a finished model is evaluated on."""
    return study.metrics_of(model)[0][f"{study.report_on}_digest"]


def _wrapped(text: str, indent: int) -> list[str]:
    """Return text in lines of WIDTH columns, all but the first indented."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)
