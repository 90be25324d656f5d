"""The training loop: data resident on the device, many steps a call."""

import time
from dataclasses import asdict, dataclass, field

import numpy as np
import tensorflow as tf

from ablation.datasets import split_point
from ablation.errors import InputError, Interrupted
from ablation.evaluation import forward, loss_and_accuracy
from ablation.losses import clipped_categorical_crossentropy

STEPS_PER_CALL = 64  # steps between two returns to Python


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv. Losses and accuracies are means over images; seconds of wall time."""

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


def train(model, spec, images, labels, seed, on_epoch, checkpoint=None):
    """Train `model` for spec.epochs and return the list of its Epochs.

    images: (n, height, width, 3) float32; labels: (n,) int64; the last spec.validation_split
    of them are validation images, with spec.validation_images "by_seed" after a permutation drawn
    from the seed. Every epoch visits the training images in an order drawn from (seed, epoch),
    the last batch short where they don't divide. `on_epoch(Epoch)` is called after each.

    checkpoint: the Checkpoint that the training goes on from and saves its state to. What it
    computes is, bit for bit on the CPU, what it computes without an interruption.

    Raises InputError when the loss is no longer a number or memory runs out, Interrupted when checkpoint.stop says
    so and the state is saved.
    """
    at = split_point(len(images), spec.validation_split)
    if spec.validation_images == "by_seed":
        shuffled = np.random.default_rng([seed, 0]).permutation(len(images))  # epochs count from 1
        images, labels = images[shuffled], labels[shuffled]
    val_images, val_labels = tf.constant(images[at:]), labels[at:]
    images, labels = tf.constant(images[:at]), tf.constant(labels[:at], tf.int32)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    steps, probabilities = steps_of(model, images, labels, jit_compile=on_gpu), forward(model)

    variables = [*model.variables, *model.optimizer.variables]
    saved = checkpoint and checkpoint.restore(variables)
    progress = Progress.of(saved) if saved else Progress()
    for epoch in range(len(progress.history) + 1, spec.epochs + 1):
        start = time.perf_counter() - progress.seconds
        order = np.random.default_rng([seed, epoch]).permutation(len(images)).astype(np.int32)
        for batches in calls_of(order, spec.batch_size)[progress.calls :]:
            try:
                loss, correct = steps(batches)
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
        val_loss, val_accuracy = loss_and_accuracy(probabilities(val_images), val_labels)
        row = Epoch(
            epoch=epoch,
            loss=progress.loss / len(images),
            accuracy=progress.correct / len(images),
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


def calls_of(order, batch_size):
    """Return the (steps, batch) int32 index arrays of an epoch, one per call of the steps, the last batch short.

    order: (n,) int32 indices of images.
    """
    whole = len(order) // batch_size * batch_size
    batches = order[:whole].reshape(-1, batch_size)
    calls = [batches[at : at + STEPS_PER_CALL] for at in range(0, len(batches), STEPS_PER_CALL)]
    if whole < len(order):
        calls.append(order[None, whole:])
    return calls


def steps_of(model, images, labels, jit_compile):
    """Return a function that takes one gradient step per row of (steps, batch) indices.

    images: (n, height, width, 3) float32 and labels: (n,) int32, resident on the device;
    jit_compile: compile by XLA, which pays on a GPU and not on a CPU. The function returns the
    sum of the losses and the count of right answers over the images it saw.
    """
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
        jit_compile=jit_compile,
    )
    def steps(batches):
        loss_sum, correct = tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(tf.shape(batches)[0]):
            x, y = tf.gather(images, batches[step]), tf.gather(labels, batches[step])
            with tf.GradientTape() as tape:
                probabilities = model(x, training=True)
                losses = clipped_categorical_crossentropy(y, probabilities)
                loss = tf.reduce_mean(losses)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            loss_sum += tf.reduce_sum(losses)
            correct += tf.reduce_sum(tf.cast(tf.equal(tf.argmax(probabilities, 1, tf.int32), y), tf.float32))
        return loss_sum, correct

    return steps
