"""From a spec to a network. A file of this folder, or one of the user's, is an architecture: a function `build`."""

import inspect
import math
import re
import tempfile
from functools import partial
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import tensorflow as tf

from ablation.errors import InputError
from ablation.own_files import RAISED, is_own, load_module, own_code, own_path
from ablation.settings.specs import ModelSpec
from ablation.training.dispatch import import_choice
from ablation.training.losses import clipped_categorical_crossentropy
from ablation.training.optimizers import build_optimizer

SAMPLE = 8  # images on which a network of the user's is tried before it is trained
OF_TRAINING = ("train_step", "compute_loss")  # methods of a model that its own class may not replace


def build_network(spec: ModelSpec, images: np.ndarray, classes: int) -> keras.Model:
    """Return the compiled Keras model of a spec, its optimizer built.

    images: (n, height, width, channels) float32, those it will be trained on; their number decides the steps of the
    training, and an architecture whose `build` has an argument of this name gets them.

    Initial weights and dropout follow from keras.utils.set_random_seed, the precision of the
    layers from keras.config.set_dtype_policy; the softmax and the loss are float32 under any.

    Raises InputError for an architecture, optimizer or schedule that there is not, and for a network of the user's that
    raises something, gives no probabilities or can't be loaded again.
    """
    module = _module(spec.architecture)
    arguments = {}
    for name, parameter in list(inspect.signature(module.build).parameters.items())[2:]:
        value = images if name == "images" else spec.settings[name]
        arguments[name] = list(value) if isinstance(parameter.default, list) else value
    if is_own(spec.architecture):
        model = _build_own(module, spec.architecture, images, classes, arguments)
    else:
        try:
            model = module.build(images.shape[1:], classes, **arguments)
        except ValueError as error:
            raise InputError(f"architecture: {spec.architecture}: {_one_line(error)}") from None
    model.compile(
        optimizer=build_optimizer(spec, total_steps(spec, len(images))),
        loss=clipped_categorical_crossentropy,
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def check_seed(model: keras.Model, spec: ModelSpec, images: np.ndarray, classes: int, seed: int) -> None:
    """Raise InputError unless a user's network and its initial weights follow from the seed alone.

    model: as `build_network` returned it after keras.utils.set_random_seed. The state of the generators is afterwards
    what it was before.
    """
    keras.utils.set_random_seed(seed)
    again = build_network(spec, images, classes)
    weights = ([variable.numpy() for variable in each.variables] for each in (model, again))  # and seeds of layers
    if not all(map(np.array_equal, *weights)) or _without_numbers(model) != _without_numbers(again):
        raise InputError(
            f"architecture: {spec.architecture}: what 'build' returns differs though the seed is the same; draw weights"
            " with Keras's initializers, and nothing with a seed from the clock or the system"
        )


def load_model(path: str | Path, architecture: str) -> keras.Model:
    """Return the model in a .keras file, for inference: it is not compiled.

    architecture: as the config names it; a file of the user's is run, for its layers.

    Raises InputError for an architecture that there is not, and for a model that can't be loaded with it.
    """
    module = _module(architecture)  # registers the classes that the file of a model names
    if not is_own(architecture):
        return keras.models.load_model(path, compile=False)
    theirs = {
        name: value for name, value in vars(module).items() if inspect.isclass(value) or inspect.isfunction(value)
    }
    try:
        return keras.models.load_model(path, compile=False, custom_objects=theirs)
    except RAISED as error:
        message = _one_line(error).rpartition("Exception encountered: ")[2]
        if "safe_mode" in message:  # Keras's way out is not this workflow's
            message = "a Lambda layer has Python code, which Keras doesn't load; write a class of layer instead"
        raise InputError(f"architecture: a model of {architecture} can't be loaded: {message}") from None


def trainable_parameters(model: keras.Model) -> int:
    """Return how many numbers of a model are trained."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def total_steps(spec: ModelSpec, n: int) -> int:
    """Return the number of gradient steps of a training on n images, the last batch of an epoch short."""
    return spec.epochs * math.ceil(n / spec.batch_size)


def _module(architecture: str) -> ModuleType:
    """Return the module whose `build` is an architecture.

    With one of the user's TensorFlow no longer rearranges sums: it does so in another order from one process to the
    next, which none of our networks gives it an occasion for, but `x * (1 + a + b)` does.
    """
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": not is_own(architecture)})
    if is_own(architecture):
        return load_module("architecture", own_path("architecture", architecture, "file"), "build")
    return import_choice(__name__, "architecture", architecture)


def _build_own(module: ModuleType, architecture: str, images: np.ndarray, classes: int, arguments: dict) -> keras.Model:
    """Return the model of the user's own `build`, which gives probabilities and loads as it was saved."""
    shape, where = images.shape[1:], f"architecture: {architecture}: the model of 'build'"
    theirs = partial(own_code, "architecture", own_path("architecture", architecture, "file"))
    with theirs():
        model = module.build(shape, classes, **arguments)
        inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not isinstance(model, keras.Model):
        raise InputError(
            f"architecture: {architecture}: 'build' must return a Sequential or a functional keras.Model"
            f" (got {type(model).__name__})"
        )
    if not inputs or not outputs:
        raise InputError(f"{where} has no Input: it must be a Sequential that begins with one, or functional")
    if any(getattr(layer, "compiled", False) for layer in model._flatten_layers()):
        raise InputError(f"{where} is compiled; leave that out: optimizer and loss are settings of the study")
    for method in OF_TRAINING:
        if getattr(type(model), method) is not getattr(keras.Model, method):
            raise InputError(f"{where} has a '{method}' of its own, which this workflow would not call; leave it out")
    for what, tensors, size in (("takes", inputs, shape), ("returns", outputs, (classes,))):
        if (shapes := [tuple(tensor.shape) for tensor in tensors]) != [(None, *size)]:
            raise InputError(f"{where} {what} {', '.join(map(str, shapes))}; {(None, *size)} is needed")
    if not model.trainable_variables:
        raise InputError(f"{where} has nothing to train: no weight of it is trainable")
    if outputs[0].dtype != "float32":
        raise InputError(f"{where} returns {outputs[0].dtype}; give its last layer dtype='float32'")
    with theirs():
        probabilities = model(images[:SAMPLE], training=False)
    if not tf.is_tensor(probabilities):
        raise InputError(f"{where} returns a {type(probabilities).__name__}; one tensor is needed")
    probabilities = probabilities.numpy()
    sums = probabilities.sum(axis=1)
    if not (np.abs(sums - 1) < 1e-3).all() or probabilities.min() < 0:
        raise InputError(f"{where} returns no probabilities, but sums as {sums[0]:.3g}; let it end in a softmax")
    with tempfile.TemporaryDirectory() as folder:
        with theirs():
            model.save(Path(folder) / "model.keras")
        loaded = load_model(Path(folder) / "model.keras", architecture)
    with theirs():
        again = loaded(images[:SAMPLE], training=False).numpy()
    if not np.array_equal(again, probabilities):
        raise InputError(f"{where} computes something else once it is saved and loaded; keep its state in weights")
    return model


def _without_numbers(model: keras.Model) -> str:
    """Return what a model consists of, without the numbers in the names of its layers, which count all of a process."""
    return re.sub(r"_\d+\b", "", model.to_json())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
