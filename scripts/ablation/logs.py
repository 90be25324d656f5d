"""Progress lines of a program, on the terminal and in a log file."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return level + super().format(record)


def start(path: str | Path | None = None, stream: IO[str] | None = None) -> None:
    """Show the lines that the modules of this package log, each as soon as it is logged.

    They go to the stream, standard output by default, and with a path to that file too. It is emptied first and then
    appended to, so that a shell's `2>>` may add what the program writes to standard error. Warnings begin with
    "warning: ".
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(stream or sys.stdout)]
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(b"")
        handlers.append(logging.FileHandler(path, mode="a", encoding="utf-8"))
    logger = logging.getLogger("ablation")
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the root logger may have a handler of TensorFlow's
    logger.handlers = handlers
    for handler in handlers:
        handler.setFormatter(_Formatter())


@contextmanager
def without_chatter() -> Iterator[None]:
    """Keep from the terminal what TensorFlow's C++ says when it starts: of the CPU, and of GPUs that are not used."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
