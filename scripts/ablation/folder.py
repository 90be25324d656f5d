"""The folder that Snakemake runs in: locks that outlived their Snakemake, and results that can't be written."""

import fcntl
import os
from pathlib import Path
from typing import IO

from ablation.errors import InputError

OUTDATED, TRIGGER = 1, 2  # seconds since 1970: before any output that is made today


def remove_stale_locks(folder: Path) -> IO:
    """Remove the locks of a Snakemake that was killed; return a file to keep open while this one runs.

    folder: .snakemake. Every Snakemake shares a lock on that file, which the system frees when the process dies. One
    that gets the lock alone knows that whoever left Snakemake's own locks here is dead.
    """
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    alive = open(folder / "alive", "w")  # noqa: SIM115  it is the lock
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in locks.glob("*.lock"):
            lock.unlink()
    except BlockingIOError:
        pass
    fcntl.flock(alive, fcntl.LOCK_SH)
    return alive


def trigger(folder: Path) -> str:
    """Return a path in `folder`, .snakemake, that is newer than the outputs that `mark_outdated` marked, and no others.

    As an input of every job it is the one that Snakemake compares times with, so that content decides, and no clock.
    It is a directory: an empty file would have the checksum that it had when the output was made.
    """
    path = folder / "trigger"
    path.mkdir(parents=True, exist_ok=True)
    os.utime(path, (TRIGGER, TRIGGER))
    return str(path)


def mark_outdated(path: Path) -> None:
    """Give an output that has to be made again, if it is there, a time before that of the trigger.

    Raises InputError where that is not permitted.
    """
    try:
        os.utime(path, (OUTDATED, OUTDATED))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"{path}: is outdated, and its time can't be set ({error.strerror}); delete it") from None


def check_writable(results: Path) -> None:
    """Raise InputError where the folder of results can't be written; Snakemake's own error would be a traceback."""
    existing = next(path for path in [results, *results.absolute().parents] if path.exists())
    if not os.access(existing, os.W_OK):
        raise InputError(f"{results}: is not writable (read-only filesystem, or no permission)")
