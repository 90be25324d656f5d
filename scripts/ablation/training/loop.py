"""The training loop: data resident on the device, many steps per call."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Self

import keras
import numpy as np
import tensorflow as tf

from ablation.errors import InputError, Interrupted
from ablation.settings.specs import ModelSpec
from ablation.training.augmentation import sample_augmentation, translate_and_flip
from ablation.training.checkpoint import Checkpoint
from ablation.training.evaluation import loss_and_accuracy, make_predict_fn
from ablation.training.losses import clipped_categorical_crossentropy
from ablation.training.networks import total_steps
from ablation.training.optimizers.lookahead import Lookahead

STEPS_PER_CALL = 64  # steps between two returns to Python


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv.

    Losses (in nats) and accuracies (fractions) are means over images, nan over none; seconds are wall time.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass
class Progress:
    """How far a training has come: the completed epochs, and the part done of the current one.

    calls_done: calls of the train steps in that epoch; loss, correct: sums over the images of these;
    seconds: wall time spent on them.
    """

    history: list[Epoch] = field(default_factory=list)
    calls_done: int = 0
    loss: float = 0.0
    correct: float = 0.0
    seconds: float = 0.0

    @classmethod
    def from_state(cls, state: dict) -> Self:
        """Return the progress whose `asdict` is `state`."""
        return cls(**{**state, "history": [Epoch(**row) for row in state["history"]]})


def train(
    model: keras.Model,
    spec: ModelSpec,
    train_data: tuple[np.ndarray, np.ndarray],
    val_data: tuple[np.ndarray, np.ndarray],
    seed: int,
    on_epoch: Callable[[Epoch], object],
    checkpoint: Checkpoint | None = None,
) -> list[Epoch]:
    """Train `model` for spec.epochs and return its epochs.

    train_data, val_data: images, (n, height, width, 3) float32, and labels, (n,) int64, of each. Every epoch
    visits the training images in an order, and with flips and translations, sampled from (seed, epoch),
    the last batch short where they don't divide. `on_epoch` is called after each epoch. Layers that have a
    method `set_epoch(epoch)` are told the epoch, from 1, before it, and return whether that changed which
    variables are trainable.

    checkpoint: the one that the training resumes from and saves its state to. A resumed training computes,
    bit for bit on the CPU, what one without an interruption computes.

    Raises InputError when the loss is no longer finite, memory runs out or the steps are fewer than
    spec.lookahead; Interrupted when checkpoint.stop_signal is set and the state is saved.
    """
    n, (val_images, val_labels) = len(train_data[0]), val_data
    steps = total_steps(spec, n)
    images, labels = tf.constant(train_data[0]), tf.constant(train_data[1], tf.int32)
    val_images = tf.constant(val_images)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    predict = make_predict_fn(model)
    variables, lookahead = [*model.variables, *model.optimizer.variables], None
    if spec.lookahead > steps:
        raise InputError(f"lookahead: {spec.lookahead} is more than the {steps} steps of the training")
    if spec.lookahead:
        lookahead = Lookahead(model.variables, spec.lookahead, steps)
        variables += lookahead.slow

    state = checkpoint.restore(variables) if checkpoint else None
    progress, train_steps = Progress.from_state(state) if state else Progress(), None
    for epoch in range(len(progress.history) + 1, spec.epochs + 1):
        start = time.perf_counter() - progress.seconds
        changed = [layer.set_epoch(epoch) for layer in model.layers if hasattr(layer, "set_epoch")]
        if train_steps is None or any(changed):
            train_steps = make_train_steps(model, spec, lookahead, images, labels, jit_compile=on_gpu)
        for batches in chunk_batches(epoch_order(spec, seed, epoch, n), spec.batch_size)[progress.calls_done :]:
            try:
                loss, correct = train_steps(batches)
            except tf.errors.ResourceExhaustedError:
                raise InputError("out of memory; a smaller batch_size or fewer channels need less") from None
            progress.calls_done += 1
            progress.loss += float(loss)
            progress.correct += float(correct)
            progress.seconds = time.perf_counter() - start
            if checkpoint and (stop_signal := checkpoint.stop_signal):
                checkpoint.save(variables, asdict(progress))
                raise Interrupted(f"{stop_signal} in epoch {epoch}; checkpoint saved; rerun to resume")
        val_loss = val_accuracy = math.nan
        if len(val_labels):
            val_loss, val_accuracy = loss_and_accuracy(predict(val_images), val_labels)
        row = Epoch(
            epoch=epoch,
            loss=progress.loss / n,
            accuracy=progress.correct / n,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=float(model.optimizer.learning_rate),
            seconds=time.perf_counter() - start,
        )
        on_epoch(row)
        if not np.isfinite(row.loss):
            raise InputError(f"the loss is {row.loss} in epoch {epoch}; lower the model's learning_rate")
        progress = Progress([*progress.history, row])
        if checkpoint and (epoch % checkpoint.every == 0 or epoch == spec.epochs):
            checkpoint.save(variables, asdict(progress))
    return progress.history


def epoch_order(spec: ModelSpec, seed: int, epoch: int, n: int) -> np.ndarray:
    """Return in which order an epoch visits n images, and how they are augmented.

    Returns (n, 4) int32: an image's index, and its offsets as `sample_augmentation` returns them.
    """
    order = np.random.default_rng([seed, epoch]).permutation(n).astype(np.int32)
    return np.column_stack([order, sample_augmentation(spec, seed, epoch, n)[order]])


def chunk_batches(rows: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return the (steps, batch, 4) int32 arrays of an epoch, one per call of the train steps, the last batch short.

    rows: (n, 4) int32, as `epoch_order` returns them.
    """
    full = len(rows) // batch_size * batch_size
    batches = rows[:full].reshape(-1, batch_size, rows.shape[1])
    chunks = [batches[start : start + STEPS_PER_CALL] for start in range(0, len(batches), STEPS_PER_CALL)]
    if full < len(rows):
        chunks.append(rows[None, full:])
    return chunks


def make_train_steps(
    model: keras.Model,
    spec: ModelSpec,
    lookahead: Lookahead | None,
    images: tf.Tensor,
    labels: tf.Tensor,
    jit_compile: bool,
) -> Callable[[np.ndarray], tuple[tf.Tensor, tf.Tensor]]:
    """Return a function that takes one gradient step per batch, in those variables that are trainable now.

    images: (n, height, width, 3) float32 and labels: (n,) int32, resident on the device; jit_compile: compile
    by XLA, which pays on a GPU and not on a CPU.

    The function takes (steps, batch, 4) int32, as `chunk_batches` returns them, and returns the sum of the losses in
    nats and the number of correct predictions over its images, both float32 scalars.
    """
    augmented = spec.flip != "none" or spec.translation > 0

    @tf.function(input_signature=[tf.TensorSpec([None, None, 4], tf.int32)], jit_compile=jit_compile)
    def train_steps(batches):
        loss_sum, correct = tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(tf.shape(batches)[0]):
            rows = batches[step]
            x, y = tf.gather(images, rows[:, 0]), tf.gather(labels, rows[:, 0])
            if augmented:
                x = translate_and_flip(x, rows[:, 1:])
            with tf.GradientTape() as tape:
                probabilities = model(x, training=True)
                losses = clipped_categorical_crossentropy(y, probabilities, spec.label_smoothing)
                loss = tf.reduce_mean(losses)
            model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            if lookahead:
                lookahead.step(model.optimizer.iterations.value)
            loss_sum += tf.reduce_sum(losses)
            correct += tf.reduce_sum(tf.cast(tf.equal(tf.argmax(probabilities, 1, tf.int32), y), tf.float32))
        return loss_sum, correct

    return train_steps
