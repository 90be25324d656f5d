"""What no model of a study refers to any more: data, trainings, runs and figures of other settings, names and seeds."""

import logging
import shutil
from pathlib import Path

import filelock

from ablation import files
from ablation.errors import InputError
from ablation.report.figures import FORMATS, figure_paths
from ablation.report.study import Study

logger = logging.getLogger(__name__)


def sweep(study: Study, remove: bool) -> None:
    """Log everything below the results that the study does not refer to, with its size; remove it if asked to.

    A training that runs at this moment, of another config, is in use, and so are all data while there is one.
    """
    sizes = {path: _size(path) for path in unused_paths(study)}
    for path, size in sizes.items():
        logger.info(f"{size / 1e6:9.1f} MB  {path}  {_description(path)}")
        if remove:
            _remove(path)
    total, word = sum(sizes.values()), "removed" if remove else "unused"
    logger.info(f"{total / 1e6:9.1f} MB  {word}; files that are links share their space")


def unused_paths(study: Study) -> list[Path]:
    """Return the folders and figures that a study does not refer to, in order of their names."""
    figures = {study.results / path for name in study.outputs.names for path in figure_paths(name)}
    used = study.folders() | figures
    trainings = set(study.results.glob("trainings/*/seed*/"))
    running = {folder for folder in trainings - used if _is_locked(folder)}
    found = {
        *(() if running else study.results.glob("data/*/")),
        *trainings,
        *study.results.glob("runs/*/seed*/"),
        *(path for suffix in FORMATS for path in study.results.glob(f"figures/*.{suffix}")),
    }
    return sorted(found - used - running)


def _is_locked(folder: Path) -> bool:
    """Tell whether a training has the lock of a folder."""
    path = folder / "checkpoint.lock"
    if not path.exists():
        return False
    try:
        with filelock.FileLock(path, blocking=False):
            return False
    except filelock.Timeout:
        return True


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all below a folder."""
    return sum(inner.stat().st_size for inner in [path, *path.rglob("*")] if inner.is_file())


def _remove(path: Path) -> None:
    """Remove a file or a folder, and the folder that it is in if nothing else is there; of a link, only the link."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def _description(path: Path) -> str:
    """Return what is in a folder, or what a file is, in words."""
    for name in ("metrics.json", "training.json"):
        try:
            record = files.read_json(path / name)
        except InputError:
            continue
        return f"{record.get('model', record.get('trained_as'))}, trained until {record.get('finished')}"
    if path.is_file():
        return "a figure"
    return "images" if path.parent.name == "data" else "not finished"
