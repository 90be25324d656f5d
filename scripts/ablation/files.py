"""Atomic writes, locks, digests, and reading with errors of one line."""

import errno
import fcntl
import glob
import hashlib
import json
import logging
import math
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.errors import InputError

if TYPE_CHECKING:  # what takes long to import is imported where it is needed
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

REMEDY = "delete it and run again"  # of a file that the workflow makes
SETTLED = 2 * 10**9  # ns after which a further change of a file changes its times on any filesystem
# What a filesystem answers that lacks a call, as some of clusters, networks and object stores do.
LACKING = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK}

logger = logging.getLogger(__name__)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, with the same suffix; rename it to `path` on success.

    The bytes are on disk before the rename, so `path` never names half a file. On an exception the temporary file is
    removed and `path` is as it was. The remains of killed processes are removed too: a live writer locks its temporary
    file. Where the filesystem has no locks, they stay.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(path.suffix)}"):
        with suppress(OSError), open(abandoned) as file:  # held, gone, another user's
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            abandoned.unlink()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    temporary = Path(name)
    try:
        with _if_possible():
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield temporary
        with suppress(OSError):  # some network and FAT filesystems have no modes to change
            temporary.chmod(0o666 & ~_umask())
        with open(temporary, "rb+") as written, _if_possible():
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, name, temporary):  # a full disk has no name
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def _if_possible() -> Iterator[None]:
    """Go on where the filesystem lacks what is called in the context; any other error of the system is raised."""
    try:
        yield
    except OSError as error:
        if error.errno not in LACKING:
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def exclusive_lock(path: str | Path, what: object) -> Iterator[None]:
    """Hold the lock file `path` in the context: no two processes are in it at once.

    While another process holds it, a line on `what` and that process is logged, and this one waits. The system frees
    the lock of a process that dies, however it dies. The file stays: removing it would let two waiting processes lock
    two files of the same name. On a filesystem without locks nothing is held, and a warning says so.
    """
    import filelock

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        with suppress(OSError, ValueError):  # who it is, is a courtesy
            logger.info(f"{what}: {path.read_text().strip() or 'another process'} holds the lock; waiting")
        lock.acquire()
    except OSError as error:
        if error.errno not in LACKING:
            raise
        logger.warning(f"{what}: the filesystem has no locks ({error.strerror}); nothing else may work on it now")
    try:
        with suppress(OSError):
            path.write_text(f"process {os.getpid()} on {platform.node()}\n")
        yield
        with suppress(OSError):
            path.write_text("")
    finally:
        lock.release()


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Make `target` a hard link to the file `source`, or a copy where the filesystem has no links."""
    source, target = Path(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        with atomic_write(target) as temporary:
            shutil.copyfile(source, temporary)


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, as 64 lowercase hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_file_digest(path: str | Path, cache: str | Path | None) -> str:
    """Return `file_digest(path)`, remembered as `cached_file_digests` does."""
    return cached_file_digests([path], cache)[0]


def cached_file_digests(paths: Sequence[str | Path], cache: str | Path | None) -> list[str]:
    """Return `file_digest` of files, from the JSON file `cache` where it was computed before and the file is unchanged.

    A file counts as unchanged if size, inode and both times (of content and of status) are the same. One that changed
    less than two seconds ago is not remembered, as the next change might not show in its times. A cache that cannot be
    read or written costs only time; without one nothing is remembered.
    """
    now, digests, learned = time.time_ns(), [], {}
    known: dict[str, Any] = {}
    if cache is not None:
        with suppress(InputError, OSError):
            known = read_json(cache)
    for path in paths:
        entry, key = _file_status(path), os.path.abspath(path)
        if isinstance(known.get(key), dict) and known[key] == {**entry, "sha256": known[key].get("sha256")}:
            digests.append(known[key]["sha256"])
            continue
        digests.append(file_digest(path))
        if now - max(entry["mtime_ns"], entry["ctime_ns"]) > SETTLED:
            learned[key] = {**entry, "sha256": digests[-1]}
    if learned and cache is not None:
        with suppress(OSError):
            write_json(cache, known | learned)
    return digests


def _file_status(path: str | Path) -> dict[str, int]:
    status = os.stat(path)
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }


def array_digest(*arrays: "np.ndarray") -> str:
    """Return the SHA-256 of arrays, their shapes and dtypes included, as 64 lowercase hexadecimal digits."""
    import numpy as np

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, completely or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def user_output(path: str | Path) -> AbstractContextManager[Path]:
    """Return a context manager like `atomic_write` for a file that a user names.

    A link is followed; a pipe or a device, which is there to be written to, is written to as it is.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        return nullcontext(path)
    return atomic_write(path.resolve())


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, completely or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_record(path: str | Path, record: dict[str, Any]) -> None:
    """Write an object as JSON with its own digest as its last entry, completely or not at all."""
    write_json(path, {**record, "digest": _record_digest(record)})


def _record_digest(record: dict[str, Any]) -> str:
    content = json.dumps({key: value for key, value in record.items() if key != "digest"}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def write_npz(path: str | Path, **arrays: "npt.ArrayLike") -> None:
    """Write arrays as an uncompressed npz, completely or not at all."""
    import numpy as np

    with atomic_write(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # no array is named allow_pickle


@contextmanager
def reading(path: str | Path, kind: str, remedy: str = REMEDY) -> Iterator[None]:
    """Turn what reading a file that is missing, broken or closed to us raises into an InputError of one line.

    kind: what the file has to be; remedy: what to do about one that isn't.
    """
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not {kind}; {remedy}") from None
    except PermissionError:
        raise InputError(f"{path}: can't be read; permission denied") from None
    except (InputError, MemoryError, ImportError):
        raise
    except Exception as error:  # depends on where the file is broken
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: truncated or corrupt {kind} ({reason}); {remedy}") from None


def read_json(path: str | Path, remedy: str = REMEDY, **entries: type) -> dict[str, Any]:
    """Return the object in a JSON file; entries are the types of those that it must have.

    Raises InputError, which ends in `remedy`, if it is missing, truncated, anything but an object, or without one of
    the entries.
    """
    with reading(path, "JSON", remedy):
        value = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_finite, parse_float=_finite)
        if not isinstance(value, dict):
            raise ValueError("not an object")
        for name, of in entries.items():
            if not isinstance(value.get(name), of):
                raise ValueError(f"its {name!r} is no {of.__name__}" if name in value else f"has no {name!r}")
        return value


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is no number of JSON")
    return value


def read_record(path: str | Path, **entries: type) -> dict[str, Any]:
    """Return the object that `write_record` wrote, its digest included; entries are as of `read_json`.

    Raises InputError as `read_json` does, and for one that was changed since.
    """
    record = read_json(path, REMEDY, **entries)
    if record.get("digest") != _record_digest(record):
        raise InputError(f"{path}: was changed after it was written; {REMEDY}")
    return record


def read_csv(path: str | Path, *columns: str, **options: Any) -> "pd.DataFrame":
    """Return the table in a CSV file, which has `columns`; options are those of pandas.read_csv.

    Raises InputError if it is missing, empty, or no such table.
    """
    import pandas as pd

    with reading(path, "CSV"):
        frame = pd.read_csv(path, **options)
        missing = [column for column in columns if column not in frame]
        if missing:
            raise ValueError(f"has no column {missing[0]!r}")
        return frame


def read_npz(path: str | Path, *keys: str, remedy: str = REMEDY) -> list["np.ndarray"]:
    """Return the arrays `keys` of an npz file, in that order.

    Raises InputError, which ends in `remedy`, for a file that is missing, truncated, not an npz, without one of the
    keys, or with a pickled (object) array.
    """
    import numpy as np

    with reading(path, "npz", remedy), np.load(path, allow_pickle=False) as archive:
        missing = [key for key in keys if key not in archive]
        if missing:
            raise InputError(f"{path}: has no array '{missing[0]}'; it holds {', '.join(archive.files) or 'nothing'}")
        return [archive[key] for key in keys]
