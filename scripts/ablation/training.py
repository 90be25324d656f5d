"""The training loop: data resident on the device, many steps a call."""

import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ablation.errors import InputError
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


def split_point(n, validation_split):
    """Return how many of n images are trained on, as Keras splits them; the rest validates.

    Raises InputError where one of the two would be empty.
    """
    at = int(n * (1 - validation_split))
    if at in (0, n):
        raise InputError(f"validation_split: {validation_split} of {n} training images leaves one part empty")
    return at


def train(model, spec, images, labels, seed, on_epoch):
    """Train `model` for spec.epochs and return the list of its Epochs.

    images: (n, height, width, 3) float32; labels: (n,) int64; the last spec.validation_split
    of them are validation images. Every epoch visits the training images in an order drawn
    from (seed, epoch), the last batch short where they don't divide. `on_epoch(Epoch)` is
    called after each.

    Raises InputError when the loss is no longer a number.
    """
    at = split_point(len(images), spec.validation_split)
    val_images, val_labels = tf.constant(images[at:]), labels[at:]
    images, labels = tf.constant(images[:at]), tf.constant(labels[:at], tf.int32)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    steps, probabilities = steps_of(model, images, labels, jit_compile=on_gpu), forward(model)

    history = []
    for epoch in range(1, spec.epochs + 1):
        start = time.perf_counter()
        order = np.random.default_rng([seed, epoch]).permutation(len(images)).astype(np.int32)
        loss, accuracy = run_epoch(steps, order, spec.batch_size)
        val_loss, val_accuracy = loss_and_accuracy(probabilities(val_images), val_labels)
        history.append(
            Epoch(
                epoch=epoch,
                loss=loss,
                accuracy=accuracy,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                learning_rate=float(model.optimizer.learning_rate),
                seconds=time.perf_counter() - start,
            )
        )
        on_epoch(history[-1])
        if not np.isfinite(loss):
            raise InputError(f"the loss is {loss} in epoch {epoch}; lower the model's learning_rate")
    return history


def run_epoch(steps, order, batch_size):
    """Visit the images in `order`, (n,) int32 indices, the last batch short; return (mean loss, accuracy).

    steps: what `steps_of` returned.
    """
    whole = len(order) // batch_size * batch_size
    batches = order[:whole].reshape(-1, batch_size)
    calls = [batches[at : at + STEPS_PER_CALL] for at in range(0, len(batches), STEPS_PER_CALL)]
    if whole < len(order):
        calls.append(order[None, whole:])
    totals = [steps(tf.constant(call)) for call in calls]
    loss, correct = (sum(float(total) for total in column) for column in zip(*totals, strict=True))
    return loss / len(order), correct / len(order)


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
