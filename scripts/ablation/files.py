"""Files that are whole or absent."""

import fcntl
import glob
import hashlib
import json
import os
import platform
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock
import numpy as np

from ablation.errors import InputError


@contextmanager
def replacing(path):
    """Yield a temporary path beside `path`, with the same suffix; rename it to `path` on success.

    The bytes are on disk before the rename, so `path` never names half a file. On an
    exception the temporary file is removed and `path` is as it was. What a killed process left
    of its own is removed too: a writer that lives has a lock on its temporary file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(path.suffix)}"):
        with suppress(BlockingIOError, FileNotFoundError), open(left) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    temporary = Path(name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # a full disk has no name otherwise
        raise
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def held(lock, what, say):
    """Hold the lock file `lock` in the context: no two processes are in it at once.

    Where another has it, `say` is called with a line on `what` and who has it, and this one waits.
    The system frees the lock of a process that dies, however it dies.
    """
    lock = Path(lock)
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(lock)
    try:
        held.acquire(blocking=False)
    except filelock.Timeout:
        say(f"{what}: {lock.read_text().strip() or 'another process'} is at it; waiting for it to end")
        held.acquire()
    try:
        lock.write_text(f"process {os.getpid()} on {platform.node()}\n")
        yield
    finally:
        lock.unlink(missing_ok=True)
        held.release()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of(path):
    """Return the SHA-256 of a file, as 64 lower-case hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*arrays):
    """Return the SHA-256 of arrays, their shapes and dtypes included, as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_text(path, text):
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write `value` as indented JSON with a final newline, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_npz(path, **arrays):
    """Write arrays as an uncompressed npz, whole or not at all."""
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)


def read_npz(path, *keys):
    """Return the arrays `keys` of an npz file, in that order.

    Raises InputError for a file that is missing, cut short, not an npz, without one of
    the keys, or with a pickled (object) array.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive]
            if missing:
                found = ", ".join(archive.files) or "nothing"
                raise InputError(f"{path}: has no array '{missing[0]}'; it holds {found}")
            return [archive[key] for key in keys]
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except PermissionError:
        raise
    except Exception as error:  # what a broken file raises depends on where it is broken
        raise InputError(f"{path}: not a whole npz file ({error}); make it anew") from None


def read_images(path, part, digest):
    """Return (images, labels) of `part`, "train" or "test", of an npz, and the digest in the file `digest`.

    Raises InputError as `read_npz` does, and where the arrays are not those that the digest was taken of.
    """
    images, labels = read_npz(path, f"x_{part}", f"y_{part}")
    expected = Path(digest).read_text().strip()
    if digest_of(images, labels) != expected:
        raise InputError(f"{path}: its {part} images are not those that {digest} stands for; delete both and run again")
    return images, labels, expected


def write_images(path, train_digest, test_digest, **arrays):
    """Write x_train, y_train, x_test, y_test and whatever else as an npz, and the digests of the two parts."""
    write_npz(path, **arrays)
    for part, digest in (("train", train_digest), ("test", test_digest)):
        write_text(digest, digest_of(arrays[f"x_{part}"], arrays[f"y_{part}"]) + "\n")
