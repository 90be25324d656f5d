"""The training loop: data resident on the device, many steps per call."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import keras
import numpy as np
import tensorflow as tf

from ablation.errors import InputError, Interrupted
from ablation.own_files import is_own, own_code
from ablation.settings.specs import ModelSpec
from ablation.training.augmentation import cut_out, sample_augmentation, translate_and_flip
from ablation.training.checkpoint import Checkpoint
from ablation.training.evaluation import loss_and_accuracy, make_predict_fn
from ablation.training.losses import clipped_categorical_crossentropy
from ablation.training.networks import total_steps
from ablation.training.optimizers.lookahead import Lookahead

STEPS_PER_CALL = 64  # steps between two returns to Python
# Operations of TensorFlow that remember something which is in no variable.
REMEMBERING = {"TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial", "PyFunc", "EagerPyFunc"}


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv.

    Losses (in nats) and accuracies (fractions) are means over images, nan over none; seconds are wall time. penalty:
    the layers' own losses, minimized with the loss, a mean over steps weighted by their images; None without.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    penalty: float | None = None


@dataclass
class Progress:
    """How far a training has come: the completed epochs, and the part done of the current one.

    calls_done: calls of the train steps in that epoch; loss, correct, penalty: sums over the images of
    these; seconds: wall time spent on them.
    """

    history: list[Epoch] = field(default_factory=list)
    calls_done: int = 0
    loss: float = 0.0
    correct: float = 0.0
    penalty: float | None = None
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

    train_data, val_data: images, (n, height, width, channels) float32, and labels, (n,) int64, of each. Every epoch
    visits the training images in an order, and with augmentation, sampled from (seed, epoch),
    the last batch short where they don't divide. `on_epoch` is called after each epoch. Layers that have a
    method `set_epoch(epoch)`, at any depth, are told the epoch, from 1, before it and when it is resumed; they return
    whether that changed which variables are trainable, or an attribute that their `call` reads. Weights that the
    optimizer averages (`use_ema`) take their averages in the end.

    checkpoint: the one that the training resumes from and saves its state to. A resumed training computes,
    bit for bit on the CPU, what one without an interruption computes.

    Raises InputError when the loss or a weight is no longer finite, memory runs out, the steps are fewer than
    spec.lookahead or what is cut out is no smaller than an image, where a network of the user's raises something, and
    as `make_train_steps` does; Interrupted when checkpoint.stop_signal is set and the state is saved.
    """
    n, (val_images, val_labels) = len(train_data[0]), val_data
    steps = total_steps(spec, n)
    images, labels = tf.constant(train_data[0]), tf.constant(train_data[1], tf.int32)
    val_images = tf.constant(val_images)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    predict, trained = make_predict_fn(model), model.trainable_variables
    variables, lookahead = [*model.variables, *model.optimizer.variables], None
    if spec.lookahead > steps:
        raise InputError(f"lookahead: {spec.lookahead} is more than the {steps} steps of the training")
    if spec.cutout >= min(train_data[0].shape[1:3]):
        raise InputError(
            f"cutout: {spec.cutout} is not less than the {min(train_data[0].shape[1:3])} pixels of an image"
        )
    if spec.lookahead:
        lookahead = Lookahead(model.variables, spec.lookahead, steps)
        variables += lookahead.slow

    state = checkpoint.restore(variables) if checkpoint else None
    progress, train_steps = Progress.from_state(state) if state else Progress(), None
    for epoch in range(len(progress.history) + 1, spec.epochs + 1):
        start = time.perf_counter() - progress.seconds
        with _one_line(spec):
            changed = [layer.set_epoch(epoch) for layer in model._flatten_layers() if hasattr(layer, "set_epoch")]
        if train_steps is None or any(changed):
            train_steps = make_train_steps(model, spec, lookahead, images, labels, jit_compile=on_gpu)
        for batches in chunk_batches(epoch_order(spec, seed, epoch, n), spec.batch_size)[progress.calls_done :]:
            with _one_line(spec):
                loss, correct, *penalty = train_steps(batches)
            progress.calls_done += 1
            progress.loss += float(loss)
            progress.correct += float(correct)
            if penalty:
                progress.penalty = (progress.penalty or 0.0) + float(penalty[0])
            progress.seconds = time.perf_counter() - start
            if checkpoint and (stop_signal := checkpoint.stop_signal):
                _check_finite(progress, trained, epoch)
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
            penalty=None if progress.penalty is None else progress.penalty / n,
        )
        on_epoch(row)
        _check_finite(progress, trained, epoch)
        progress = Progress([*progress.history, row])
        if checkpoint and (epoch % checkpoint.every == 0 or epoch == spec.epochs):
            checkpoint.save(variables, asdict(progress))
    model.optimizer.finalize_variable_values(trained)
    return progress.history


def _check_finite(progress: Progress, trained: list[keras.Variable], epoch: int) -> None:
    """Raise InputError for a loss or weights that are not finite, which no checkpoint and no model is to have."""
    if not np.isfinite(loss := progress.loss + (progress.penalty or 0.0)):
        raise InputError(f"the loss is {loss} in epoch {epoch}; lower the model's learning_rate")
    if not all(np.isfinite(variable.numpy()).all() for variable in trained):
        raise InputError(f"weights are nan or infinite in epoch {epoch}; lower the model's learning_rate")


def epoch_order(spec: ModelSpec, seed: int, epoch: int, n: int) -> np.ndarray:
    """Return in which order an epoch visits n images, and how they are augmented.

    Returns (n, 6) int32: an image's index, and its offsets as `sample_augmentation` returns them.
    """
    order = np.random.default_rng([seed, epoch]).permutation(n).astype(np.int32)
    return np.column_stack([order, sample_augmentation(spec, seed, epoch, n)[order]])


def chunk_batches(rows: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return the (steps, batch, 6) int32 arrays of an epoch, one per call of the train steps, the last batch short.

    rows: (n, 6) int32, as `epoch_order` returns them.
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
) -> Callable[[np.ndarray], tuple[tf.Tensor, ...]]:
    """Return a function that takes one gradient step per batch, in those variables that are trainable now.

    images: (n, height, width, channels) float32 and labels: (n,) int32, resident on the device; jit_compile: compile
    by XLA, which pays on a GPU and not on a CPU.

    The function takes (steps, batch, 6) int32, as `chunk_batches` returns them, and returns the sum of the losses in
    nats and the number of correct predictions over its images, and where layers have losses of their own the sum of
    these times the images of their step; float32 scalars.

    Raises InputError for a network of the user's whose layers raise something, and for one that remembers something
    outside of its variables, which no checkpoint has.
    """
    color = tf.reduce_mean(images, (0, 1, 2)) if spec.cutout else None
    augmented = spec.flip != "none" or spec.translation > 0

    @tf.function(input_signature=[tf.TensorSpec([None, None, 6], tf.int32)], jit_compile=jit_compile)
    def train_steps(batches):
        loss_sum, correct, penalty_sum = tf.constant(0.0), tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(tf.shape(batches)[0]):
            rows = batches[step]
            x, y = tf.gather(images, rows[:, 0]), tf.gather(labels, rows[:, 0])
            if augmented:
                x = translate_and_flip(x, rows[:, 1:])
            if spec.cutout:
                x = cut_out(x, rows[:, 4:], spec.cutout, color)
            with tf.GradientTape() as tape:
                probabilities = model(x, training=True)
                losses = clipped_categorical_crossentropy(y, probabilities, spec.label_smoothing)
                penalties = [tf.reduce_sum(tf.cast(each, tf.float32)) for each in model.losses]
                minimized = tf.add_n([tf.reduce_mean(losses), *penalties]) if penalties else tf.reduce_mean(losses)
                loss = model.optimizer.scale_loss(minimized)
            gradients = tape.gradient(loss, model.trainable_variables)  # sparse ones of embeddings, which sgd lacks
            gradients = [tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients]
            model.optimizer.apply(gradients, model.trainable_variables)
            if lookahead:
                lookahead.step(model.optimizer.iterations.value)
            loss_sum += tf.reduce_sum(losses)
            correct += tf.reduce_sum(tf.cast(tf.equal(tf.argmax(probabilities, 1, tf.int32), y), tf.float32))
            if penalties:
                penalty_sum += tf.add_n(penalties) * tf.cast(tf.shape(y)[0], tf.float32)
        return (loss_sum, correct, penalty_sum) if model.losses else (loss_sum, correct)

    with _one_line(spec):
        function = train_steps.get_concrete_function()
    _refuse_other_state(
        function, [*model.variables, *model.optimizer.variables, *(lookahead.slow if lookahead else [])]
    )
    return train_steps


@contextmanager
def _one_line(spec: ModelSpec) -> Iterator[None]:
    """Raise InputError where memory runs out while a network runs, and for what one of the user's raises.

    Its file is not looked for: it may be gone while a training runs.
    """
    lack, path = tf.errors.ResourceExhaustedError, Path(spec.architecture).expanduser().absolute()
    try:
        with own_code("architecture", path, but=(lack,)) if is_own(spec.architecture) else nullcontext():
            yield
    except lack:
        raise InputError("out of memory; a smaller batch_size or fewer channels need less") from None


def _refuse_other_state(function: tf.types.experimental.ConcreteFunction, variables: list[keras.Variable]) -> None:
    """Raise InputError where a function reads or writes something else than variables that a checkpoint has."""
    saved = {id(variable.value.handle) for variable in variables}
    others = [each for each in function.captured_inputs if each.dtype == tf.resource and id(each) not in saved]
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    random = sorted({node.op for node in nodes if node.op.startswith("Random") or node.op in REMEMBERING})
    if others or random:
        what = random[0] if random else "a variable, or a seed generator, that is no attribute of a layer"
        raise InputError(
            f"architecture: the network has state that no checkpoint could save: {what}; draw random numbers by"
            " keras.random with a keras.random.SeedGenerator that is an attribute of the layer"
        )
