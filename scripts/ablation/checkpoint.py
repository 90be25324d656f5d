"""The state of a training on disk, so that a kill loses nothing."""

import json
import signal
from pathlib import Path

from ablation import files
from ablation.errors import InputError

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Checkpoint:
    """One training's state in the file `path`, and the right to write it. A context manager.

    Inside the context this process alone trains what `path` stands for: the lock beside it is
    freed by the system when its holder dies, however it dies, and a second process waits for it.
    SIGTERM and SIGINT are noted in `stop` (the signal's name) for the training to save and end by;
    a second one acts at once.

    key: text that stands for all that decides the result; a state saved under another is left alone.
    every: epochs between two saved states. say: called with each line for the user.

    Keras's BackupAndRestore isn't used: it belongs to `fit`, keeps no history and no key, and the
    state of a Dropout's random generator is not in what it saves.
    """

    def __init__(self, path, key, every, say):
        self.path = Path(path)
        self.key = key
        self.every = every
        self.say = say
        self.stop = None
        self._lock = files.held(self.path.with_suffix(".lock"), self.path.parent, say)

    def __enter__(self):
        self._lock.__enter__()
        self._handlers = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *raised):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._lock.__exit__(*raised)

    def _note(self, number, frame):
        self.stop = signal.Signals(number).name
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def save(self, variables, progress):
        """Write the values of Keras variables and `progress`, a dict for JSON; whole or not at all."""
        values = {str(number): variable.numpy() for number, variable in enumerate(variables)}
        files.write_npz(self.path, key=self.key, progress=json.dumps(progress), **values)

    def restore(self, variables):
        """Set Keras variables to what `save` wrote of them and return its progress; None without such a state."""
        if not self.path.exists():
            return None
        try:
            key, progress, *values = files.read_npz(
                self.path, "key", "progress", *(str(number) for number in range(len(variables)))
            )
        except InputError as error:
            self.say(f"{error}: the training starts anew")
            return None
        if key != self.key:
            self.say(f"{self.path}: is of other data, settings, code or versions; the training starts anew")
            return None
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.say(f"{self.path}: found; the training goes on from it")
        return json.loads(str(progress))


def checkpoint_of(model):
    """Return the path of the checkpoint of the training that writes the file `model`: beside it."""
    return Path(model).with_name("checkpoint.npz")


def remove(model):
    """Remove the checkpoint of the training that wrote the file `model`, if there is one."""
    checkpoint_of(model).unlink(missing_ok=True)
