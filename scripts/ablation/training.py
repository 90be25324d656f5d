"""The training loop: data resident on the device, many steps a call."""

import math
import time
from dataclasses import asdict, dataclass, field

import numpy as np
import tensorflow as tf

from ablation.augmentation import draw, moved
from ablation.errors import InputError, Interrupted
from ablation.evaluation import forward, loss_and_accuracy
from ablation.layers import PatchWhitening
from ablation.losses import clipped_categorical_crossentropy
from ablation.network import steps_in_all
from ablation.optimizers import Lookahead

STEPS_PER_CALL = 64  # steps between two returns to Python


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv. Losses and accuracies are means over images, nan over none; seconds of wall time."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass
class Progress:
    """How far a training has come: whole epochs, and the part done of the one under way.

    calls: of the steps of that epoch; loss, correct: sums over the images that they saw;
    seconds: spent on them.
    """

    history: list[Epoch] = field(default_factory=list)
    calls: int = 0
    loss: float = 0.0
    correct: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, state):
        """Return the progress whose `asdict` is `state`."""
        return cls(**{**state, "history": [Epoch(**row) for row in state["history"]]})


def train(model, spec, to_train, to_validate, seed, on_epoch, checkpoint=None):
    """Train `model` for spec.epochs and return the list of its Epochs.

    to_train, to_validate: images, (n, height, width, 3) float32, and labels, (n,) int64, of each. Every epoch
    visits the training images in an order, and flipped and moved in ways, drawn from (seed, epoch),
    the last batch short where they don't divide. `on_epoch(Epoch)` is called after each.

    checkpoint: the Checkpoint that the training goes on from and saves its state to. What it
    computes is, bit for bit on the CPU, what it computes without an interruption.

    Raises InputError when the loss is no longer a number, memory runs out or the steps are fewer than
    spec.lookahead, Interrupted when checkpoint.stop says so and the state is saved.
    """
    n, (val_images, val_labels) = len(to_train[0]), to_validate
    total = steps_in_all(spec, n)
    images, labels = tf.constant(to_train[0]), tf.constant(to_train[1], tf.int32)
    val_images = tf.constant(val_images)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    probabilities = forward(model)
    variables, lookahead = [*model.variables, *model.optimizer.variables], None
    if spec.lookahead > total:
        raise InputError(f"lookahead: {spec.lookahead} is more than the {total} steps of the training")
    if spec.lookahead:
        lookahead = Lookahead(model.variables, spec.lookahead, total)
        variables += lookahead.slow

    saved = checkpoint and checkpoint.restore(variables)
    progress, steps = Progress.of(saved) if saved else Progress(), None
    for epoch in range(len(progress.history) + 1, spec.epochs + 1):
        start = time.perf_counter() - progress.seconds
        changed = [layer.set_epoch(epoch) for layer in model.layers if isinstance(layer, PatchWhitening)]
        if steps is None or any(changed):
            steps = steps_of(model, spec, lookahead, images, labels, jit_compile=on_gpu)
        for rows in calls_of(plan(spec, seed, epoch, n), spec.batch_size)[progress.calls :]:
            try:
                loss, correct = steps(rows)
            except tf.errors.ResourceExhaustedError:
                raise InputError("out of memory; a smaller batch_size or fewer channels need less") from None
            progress.calls += 1
            progress.loss += float(loss)
            progress.correct += float(correct)
            progress.seconds = time.perf_counter() - start
            if checkpoint and checkpoint.stop:
                checkpoint.save(variables, asdict(progress))
                raise Interrupted(
                    f"{checkpoint.stop} in epoch {epoch}; the state is saved, the next run goes on from it"
                )
        val_loss = val_accuracy = math.nan
        if len(val_labels):
            val_loss, val_accuracy = loss_and_accuracy(probabilities(val_images), val_labels)
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


def plan(spec, seed, epoch, n):
    """Return an epoch over n images, (n, 4) int32: which image comes when, and its moves as `draw` returns them."""
    order = np.random.default_rng([seed, epoch]).permutation(n).astype(np.int32)
    return np.column_stack([order, draw(spec, seed, epoch, n)[order]])


def calls_of(rows, batch_size):
    """Return the (steps, batch, 4) int32 arrays of an epoch, one per call of the steps, the last batch short.

    rows: (n, 4) int32, as `plan` returns them.
    """
    whole = len(rows) // batch_size * batch_size
    batches = rows[:whole].reshape(-1, batch_size, rows.shape[1])
    calls = [batches[at : at + STEPS_PER_CALL] for at in range(0, len(batches), STEPS_PER_CALL)]
    if whole < len(rows):
        calls.append(rows[None, whole:])
    return calls


def steps_of(model, spec, lookahead, images, labels, jit_compile):
    """Return a function that takes one gradient step per row of batches, in those variables that are trainable now.

    lookahead: a Lookahead to call after every step, or None; images: (n, height, width, 3) float32 and labels:
    (n,) int32, resident on the device; jit_compile: compile by XLA, which pays on a GPU and not on a CPU.
    The function takes (steps, batch, 4) int32 as `calls_of` returns them, and returns the sum of the losses and the
    count of right answers over the images it saw.
    """
    augmented = spec.flip != "none" or spec.translation > 0

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 4], tf.int32)],
        jit_compile=jit_compile,
    )
    def steps(batches):
        loss_sum, correct = tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(tf.shape(batches)[0]):
            rows = batches[step]
            x, y = tf.gather(images, rows[:, 0]), tf.gather(labels, rows[:, 0])
            if augmented:
                x = moved(x, rows[:, 1:])
            with tf.GradientTape() as tape:
                probabilities = model(x, training=True)
                losses = clipped_categorical_crossentropy(y, probabilities, spec.label_smoothing)
                loss = tf.reduce_mean(losses)
            model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            if lookahead:
                lookahead.follow(model.optimizer.iterations.value)
            loss_sum += tf.reduce_sum(losses)
            correct += tf.reduce_sum(tf.cast(tf.equal(tf.argmax(probabilities, 1, tf.int32), y), tf.float32))
        return loss_sum, correct

    return steps
