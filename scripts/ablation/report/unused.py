"""What no model of a study refers to any more: data, trainings and runs of other settings, names and seeds."""

import logging
import shutil
from pathlib import Path

import filelock

from ablation import files
from ablation.errors import InputError
from ablation.report.study import Study

logger = logging.getLogger(__name__)


def sweep(study: Study, remove: bool) -> None:
    """Log every folder of the results that the study does not refer to, with its size; remove it if asked to.

    A training that runs at this moment, of another config, is in use.
    """
    total = 0
    for folder in unused_folders(study):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        total += size
        logger.info(f"{size / 1e6:9.1f} MB  {folder}  {_description(folder)}")
        if remove:
            shutil.rmtree(folder)
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()
    logger.info(f"{total / 1e6:9.1f} MB  {'removed' if remove else 'unused'}; files that are links share their space")


def unused_folders(study: Study) -> list[Path]:
    """Return the folders of data, trainings and runs that a study does not refer to, in order of their names."""
    used = study.folders()
    found = [
        *study.results.glob("data/*/"),
        *study.results.glob("trainings/*/seed*/"),
        *study.results.glob("runs/*/seed*/"),
    ]
    return sorted(folder for folder in found if folder not in used and not _is_locked(folder))


def _is_locked(folder: Path) -> bool:
    """Tell whether a training has the lock of a folder."""
    path = folder / "checkpoint.lock"
    if not path.exists():
        return False
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _description(folder: Path) -> str:
    """Return what is in a folder, in words."""
    for name in ("metrics.json", "training.json"):
        try:
            record = files.read_json(folder / name)
        except InputError:
            continue
        return f"{record.get('model', record.get('trained_as'))}, trained until {record.get('finished')}"
    return "images" if folder.parent.name == "data" else "not finished"
