"""Files that are whole or absent."""

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ablation.errors import InputError


@contextmanager
def replacing(path):
    """Yield a temporary path beside `path`, with the same suffix; rename it to `path` on success.

    The bytes are on disk before the rename, so `path` never names half a file. On an
    exception the temporary file is removed and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of(path):
    """Return the SHA-256 of a file, as 64 lower-case hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
