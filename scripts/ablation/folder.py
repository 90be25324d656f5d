"""The folder that Snakemake runs in: locks that outlived their Snakemake, and results that can't be written."""

import fcntl
import os
import re
from pathlib import Path
from typing import IO

from ablation.errors import InputError

OUTDATED, TRIGGER = 1, 2  # seconds since 1970: before any output that is made today


def remove_stale_locks(folder: Path) -> IO:
    """Remove the locks of a Snakemake that was killed; return a file to keep open while this one runs.

    folder: .snakemake. Every Snakemake shares a lock on that file, which the system frees when the process dies. One
    that gets the lock alone knows that whoever left Snakemake's own locks here is dead. Nothing is removed where the
    filesystem has no locks, or where they are another user's.
    """
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    alive = open(folder / "alive", "w")  # noqa: SIM115  it is the lock
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in locks.glob("*.lock"):
            lock.unlink()
        fcntl.flock(alive, fcntl.LOCK_SH)
    except BlockingIOError:
        fcntl.flock(alive, fcntl.LOCK_SH)
    except OSError:
        pass
    return alive


def trigger(folder: Path) -> str:
    """Return a path in `folder`, .snakemake, that is newer than the outputs that `mark_outdated` marked, and no others.

    As an input of every job it is the one that Snakemake compares times with, so that content decides, and no clock.
    It is a directory: an empty file would have the checksum that it had when the output was made.

    Raises OSError, with the name of the folder, where it can't be made.
    """
    path = folder / "trigger"
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_mtime != TRIGGER:  # only its owner may set it
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


def check_name(pathvar: str, name: str) -> None:
    """Raise InputError where a folder that results go to has a name that Snakemake takes for something else.

    pathvar: which one names it.
    """
    where = f"pathvars.{pathvar}: {name!r}"
    if re.search("[{}<>]", name):
        raise InputError(f"{where}: has one of {{}}<> in it, which mean something to Snakemake; name another")
    if name.startswith("~"):
        raise InputError(f"{where}: Snakemake takes ~ for a folder of this name; write the path of your home")
    if Path(name).exists() and not Path(name).is_dir():
        raise InputError(f"{where}: is a file, and not a folder")


def check_writable(results: Path) -> None:
    """Raise InputError where the folder of results can't be written; Snakemake's own error would be a traceback."""
    existing = next(path for path in [results, *results.absolute().parents] if path.exists())
    if not os.access(existing, os.W_OK):
        raise InputError(f"{results}: is not writable (read-only filesystem, or no permission)")
