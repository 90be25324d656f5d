"""The state of a training on disk, from which it resumes after a kill."""

import json
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from ablation import files
from ablation.errors import InputError

if TYPE_CHECKING:
    import keras  # not before TensorFlow is started

SIGNALS = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)


class Checkpoint:
    """One training's state in the file `path`, and the right to write it. A context manager.

    Inside the context only this process trains what `path` belongs to: the system frees the lock next to it when its
    holder dies, for any reason, and a second process waits for it. SIGTERM and SIGINT set `stop_signal` (the
    signal's name), so that the training can save its state and end; a second one acts at once.

    key: text with everything that decides the result; a state saved with another is not restored.
    every: epochs between two saved states. restored: the progress that `restore` returned last.

    Keras's BackupAndRestore isn't used: it belongs to `fit`, keeps no history and no key, and does not
    save the state of a Dropout's random generator.
    """

    def __init__(self, path: str | Path, key: str, every: int) -> None:
        self.path = Path(path)
        self.key = key
        self.every = every
        self.stop_signal: str | None = None
        self.restored: dict | None = None
        self._lock = files.exclusive_lock(self.path.with_suffix(".lock"), str(self.path.parent))

    def __enter__(self) -> Self:
        self._lock.__enter__()
        self._handlers = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *raised: Any) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._lock.__exit__(*raised)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = signal.Signals(number).name
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def save(self, variables: Sequence["keras.Variable"], progress: dict) -> None:
        """Write the values of variables, and `progress`, a dict for JSON; atomically."""
        values = {str(number): variable.numpy() for number, variable in enumerate(variables)}
        files.write_npz(self.path, key=self.key, progress=json.dumps(progress), **values)

    def restore(self, variables: Sequence["keras.Variable"]) -> dict | None:
        """Assign the values that `save` wrote to the variables and return its progress; None without such a state."""
        if not self.path.exists():
            return None
        try:
            key, progress, *values = files.read_npz(
                self.path, "key", "progress", *(str(number) for number in range(len(variables)))
            )
        except InputError as error:
            logger.warning("%s; training restarts", error)
            return None
        if key != self.key:
            logger.warning("%s: was saved with other data, settings, code or versions; training restarts", self.path)
            return None
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        logger.info("%s: resuming", self.path)
        self.restored = json.loads(str(progress))
        return self.restored


def checkpoint_path(model_path: str | Path) -> Path:
    """Return the path of the checkpoint of the training that writes the file `model_path`: next to it."""
    return Path(model_path).with_name("checkpoint.npz")


def remove(model_path: str | Path) -> None:
    """Remove the checkpoint of the training that wrote the file `model_path`, if there is one."""
    checkpoint_path(model_path).unlink(missing_ok=True)
