"""Probabilities of a trained network, their loss and accuracy."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from ablation.training.augmentation import IDENTITY, VIEWS, View, translate_and_flip
from ablation.training.losses import clipped_categorical_crossentropy

EVAL_BATCH_SIZE = 500


def make_predict_fn(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return a compiled function from (n, height, width, 3) float32 images to (n, classes) float32 probabilities."""

    @tf.function(input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)])
    def infer(images):
        return model(images, training=False)

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), EVAL_BATCH_SIZE)
        return np.concatenate([infer(images[start : start + EVAL_BATCH_SIZE]) for start in starts])

    return predict


def predict_views(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, test_time_augmentation: str
) -> dict[View, np.ndarray]:
    """Return the probabilities of every view of the images that a test_time_augmentation of VIEWS has.

    predict: as `make_predict_fn` returns it; images: (n, height, width, 3) float32.

    Returns {view: (n, classes) float32}.
    """

    def predict_view(view: View) -> np.ndarray:
        offsets = tf.tile([view], [len(images), 1])
        batches = (slice(start, start + EVAL_BATCH_SIZE) for start in range(0, len(images), EVAL_BATCH_SIZE))
        return np.concatenate(
            [predict(translate_and_flip(tf.constant(images[batch]), offsets[batch]).numpy()) for batch in batches]
        )

    views = VIEWS[test_time_augmentation]
    return {view: predict(images) if view == IDENTITY else predict_view(view) for view in views}


def average_views(views: dict[View, np.ndarray], test_time_augmentation: str) -> np.ndarray:
    """Return the softmax of the weighted mean of the views' logits.

    views: {view: (n, classes) float32 probabilities}, as `predict_views` returns them; those that
    test_time_augmentation does not have are left out.

    Returns (n, classes) float32 probabilities.
    """
    weights = VIEWS[test_time_augmentation]
    if len(weights) == 1:
        return views[IDENTITY]
    tiny = np.finfo(np.float32).tiny
    logits = sum(weight * np.log(np.maximum(views[view], tiny)) for view, weight in weights.items())
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def loss_and_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean clipped cross-entropy in nats, and the accuracy as a fraction from 0 to 1.

    probabilities: (n, classes) float32; labels: (n,) integers.
    """
    losses = clipped_categorical_crossentropy(labels, probabilities).numpy()
    accuracy = np.mean(np.argmax(probabilities, axis=1) == labels)
    return float(losses.mean(dtype=np.float64)), float(accuracy)
