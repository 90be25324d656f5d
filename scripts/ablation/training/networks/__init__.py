"""From a spec to a network. A file of this folder is an architecture."""

import math
from pathlib import Path

import keras
import numpy as np

from ablation.settings.specs import ModelSpec
from ablation.training.dispatch import import_choice
from ablation.training.losses import clipped_categorical_crossentropy
from ablation.training.optimizers import build_optimizer


def build_network(spec: ModelSpec, images: np.ndarray, classes: int) -> keras.Model:
    """Return the compiled Keras model of a spec, its optimizer built.

    images: (n, height, width, 3) float32, those it will be trained on; their number decides the steps of the
    training, and an architecture may compute some of its weights from them.

    Initial weights and dropout follow from keras.utils.set_random_seed, the precision of the
    layers from keras.config.set_dtype_policy; the softmax and the loss are float32 under any.

    Raises InputError for an architecture, optimizer or schedule that there is not.
    """
    model = import_choice(__name__, "architecture", spec.architecture).build(spec, images, classes)
    model.compile(
        optimizer=build_optimizer(spec, total_steps(spec, len(images))),
        loss=clipped_categorical_crossentropy,
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def load_model(path: str | Path, architecture: str) -> keras.Model:
    """Return the model in a .keras file, for inference: it is not compiled.

    Raises InputError for an architecture that there is not.
    """
    import_choice(__name__, "architecture", architecture)  # registers the classes that the file names
    return keras.models.load_model(path, compile=False)


def total_steps(spec: ModelSpec, n: int) -> int:
    """Return the number of gradient steps of a training on n images, the last batch of an epoch short."""
    return spec.epochs * math.ceil(n / spec.batch_size)
