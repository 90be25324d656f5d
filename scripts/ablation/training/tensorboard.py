"""The curves of a training as an event file of TensorBoard."""

import math
from pathlib import Path

import tensorflow as tf

from ablation.errors import InputError

# What tf.summary.scalar writes, which needs the package tensorboard; to write a file TensorFlow alone is enough.
SCALAR = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
SCALAR.plugin_data.plugin_name = "scalars"


class Curves:
    """An event file in a folder, begun with the first epoch that is written; what older event files it had is removed.

    images: how many an epoch trains on, for `images_per_second`.

    Raises InputError where the folder can't be made.
    """

    def __init__(self, folder: Path, images: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"{folder}: can't be a folder, since a file is in its way; move that") from None
        self._folder, self._images = folder, images
        self._writer: tf.summary.SummaryWriter | None = None

    def write(self, epoch: dict, restored: dict | None) -> None:
        """Write an epoch, as a row of history.csv, at its number as the step; it is on disk when this returns.

        restored: the progress that the training was resumed from. The first call writes the epochs of its history
        before; so no step is there twice or missing, whatever an earlier process got to.
        """
        if self._writer is None:
            for path in self._folder.glob("events.out.tfevents.*"):
                path.unlink()
            self._writer = tf.summary.create_file_writer(str(self._folder))
            for earlier in restored["history"] if restored else []:
                self._write(earlier)
        self._write(epoch)
        self._writer.flush()

    def _write(self, row: dict) -> None:
        rates = {"images_per_second": self._images / row["seconds"]}
        with self._writer.as_default(step=row["epoch"]):  # type: ignore[union-attr]
            for name, value in {**row, **rates}.items():
                if name not in ("epoch", "seconds") and value is not None and not math.isnan(value):
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=SCALAR)
