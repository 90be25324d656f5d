"""Probabilities of a trained network, and what they are worth."""

import numpy as np
import tensorflow as tf

from ablation.augmentation import AS_IT_IS, VIEWS, moved
from ablation.losses import clipped_categorical_crossentropy

BATCH = 500  # images at a time


def forward(model):
    """Return a compiled function from (n, height, width, 3) float32 images to (n, classes) probabilities."""

    @tf.function(input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)])
    def infer(images):
        return model(images, training=False)

    def probabilities(images):
        return np.concatenate([infer(images[at : at + BATCH]) for at in range(0, len(images), BATCH)])

    return probabilities


def by_view(model, images, test_time_augmentation):
    """Return the (n, classes) float32 probabilities of every view of the images, by view, as VIEWS has them.

    images: (n, height, width, 3) float32.
    """
    probabilities = forward(model)

    def of(view):
        moves = tf.tile([view], [len(images), 1])
        batches = (slice(at, at + BATCH) for at in range(0, len(images), BATCH))
        return np.concatenate([probabilities(moved(tf.constant(images[at]), moves[at]).numpy()) for at in batches])

    return {view: probabilities(images) if view == AS_IT_IS else of(view) for view in VIEWS[test_time_augmentation]}


def averaged(probabilities, test_time_augmentation):
    """Return the softmax of the weighted mean of the logits of all views, from their probabilities; float32."""
    views = VIEWS[test_time_augmentation]
    if len(views) == 1:
        return probabilities[AS_IT_IS]
    tiny = np.finfo(np.float32).tiny
    logits = sum(weight * np.log(np.maximum(probabilities[view], tiny)) for view, weight in views.items())
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def loss_and_accuracy(probabilities, labels):
    """Return the mean clipped cross-entropy and the share of right answers, as floats.

    probabilities: (n, classes) float32; labels: (n,) integers.
    """
    losses = clipped_categorical_crossentropy(labels, probabilities).numpy()
    accuracy = np.mean(np.argmax(probabilities, axis=1) == labels)
    return float(losses.mean(dtype=np.float64)), float(accuracy)
