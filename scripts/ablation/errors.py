"""The exceptions that a user is meant to see, and how a program shows them."""

import difflib
import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

SHOWN = 60  # names that are listed in a message
Value = TypeVar("Value")


class InputError(ValueError):
    """Something that the user gave is wrong. The message is one line: what, where, what to do."""


class Interrupted(Exception):
    """A signal ended the work at a point from which it can resume. The message is one line."""


def nearest(word: object, names: Iterable[object], cutoff: float = 0.6) -> str:
    """Return a question for the name that is nearest to a mistyped word, whatever its case, "" where none is near.

    cutoff: how near, as of `difflib.get_close_matches`.
    """
    by_letters = {str(name).lower(): str(name) for name in names}
    close = difflib.get_close_matches(str(word).lower(), by_letters, n=1, cutoff=cutoff)
    return f"did you mean {by_letters[close[0]]!r}?" if close else ""


def suggestion(word: object, names: Iterable[object]) -> str:
    """Return what to write instead of a mistyped word: the nearest of the names, and which there are, in order."""
    known = list(map(str, names))
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"{nearest(word, known)} allowed: {', '.join(known[:SHOWN]) or 'none yet'}{more}".lstrip()


def run(main: Callable[[], Value]) -> Value:
    """Return `main()`; on a user's mistake, an error of the system or an interruption, exit 1 with one line.

    Any other exception is a defect of the program and keeps its traceback.
    """
    try:
        return main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except MemoryError as error:
        sys.exit(f"error: out of memory: {error}")
    except Interrupted as interrupted:
        sys.exit(f"stopped by {interrupted}")
    except OSError as error:
        sys.exit(f"error: {error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell reports for Ctrl-C
