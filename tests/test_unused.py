"""What a study no longer refers to: which files these are, and that nothing else goes with them."""

import json
import logging

import filelock
import pytest

from ablation.report import unused
from ablation.report.figures import FORMATS
from ablation.report.study import Study

STUDY = {
    "images": "data/x/images.npz",
    "whitened": "data/y/zca.npz",
    "trainings": {"a": "k"},
    "evaluations": {"a": {"1": "e"}},
    "facts": {"models": {"a": {}}, "seeds": [1], "baseline": "a", "report_on": "test", "families": {}},
}
USED = [
    "data/x/images.npz",
    "data/y/zca.npz",
    "trainings/k/seed1/checkpoint.npz",
    "runs/a/seed1/metrics.json",
    *(f"figures/{name}.{suffix}" for name in ("loss_a", "accuracies") for suffix in FORMATS),
    "report/study.json",
    "figures/notes.txt",
]
UNUSED = {
    "data/z/images.npz": ("data/z", "images"),
    f"figures/loss_b.{FORMATS[0]}": (f"figures/loss_b.{FORMATS[0]}", "a figure"),
    "runs/a/seed2/metrics.json": ("runs/a/seed2", "a, trained until noon"),
    "runs/b/seed1/metrics.json": ("runs/b/seed1", "a, trained until noon"),
    "trainings/k/seed2/training.json": ("trainings/k/seed2", "b, trained until night"),
    "trainings/l/seed1/checkpoint.npz": ("trainings/l/seed1", "not finished"),
}
RECORDS = {
    "metrics.json": {"model": "a", "trained_as": "b", "finished": "noon"},
    "training.json": {"trained_as": "b", "finished": "night"},
}


@pytest.fixture
def untidy(tmp_path):
    """A study whose results have what it refers to, and more; a file is of 100,000 bytes."""
    for name in (*USED, *UNUSED):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(RECORDS.get(path.name, {})).ljust(100_000))
    return Study(STUDY, tmp_path)


def there(study):
    return {path.relative_to(study.results).as_posix() for path in study.results.rglob("*") if path.is_file()}


def swept(study, caplog, remove=False):
    """Return the lines that are logged, without the path of the results."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        unused.sweep(study, remove)
    return [message.replace(f"{study.results}/", "") for message in caplog.messages]


@pytest.mark.parametrize(("remove", "word"), [(False, "unused"), (True, "removed")])
def test_what_is_listed_is_removed_when_asked_to_and_nothing_else(untidy, caplog, remove, word):
    assert swept(untidy, caplog, remove) == [
        *(f"      0.1 MB  {path}  {what}" for path, what in UNUSED.values()),
        f"      0.6 MB  {word}; files that are links share their space",
    ]
    assert there(untidy) == {*USED, *(() if remove else UNUSED)}
    assert (untidy.results / "runs/b").exists() is not remove


def test_a_training_that_runs_is_in_use_and_so_are_all_data(untidy, caplog):
    with filelock.FileLock(untidy.results / "trainings/l/seed1/checkpoint.lock"):
        listed = {line.split()[2] for line in swept(untidy, caplog)[:-1]}
    assert listed == {path for path, _ in UNUSED.values()} - {"data/z", "trainings/l/seed1"}
    assert len(swept(untidy, caplog)) == len(UNUSED) + 1  # its lock is there, but nobody has it


def test_of_a_link_only_the_link_is_removed(untidy, caplog):
    elsewhere = untidy.results / "elsewhere"
    (untidy.results / "data/z").rename(elsewhere)
    (untidy.results / "data/z").symlink_to(elsewhere)
    swept(untidy, caplog, remove=True)
    assert not (untidy.results / "data/z").is_symlink()
    assert (elsewhere / "images.npz").exists()
