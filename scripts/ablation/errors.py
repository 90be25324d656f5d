"""The exceptions that a user is meant to see, and how a program shows them."""

import sys
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class InputError(ValueError):
    """Something that the user gave is wrong. The message is one line: what, where, what to do."""


class Interrupted(Exception):
    """A signal ended the work at a point from which it can resume. The message is one line."""


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
