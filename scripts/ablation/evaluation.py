"""Probabilities of a trained network, and what they are worth."""

import numpy as np
import tensorflow as tf

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


def loss_and_accuracy(probabilities, labels):
    """Return the mean clipped cross-entropy and the share of right answers, as floats.

    probabilities: (n, classes) float32; labels: (n,) integers.
    """
    losses = clipped_categorical_crossentropy(labels, probabilities).numpy()
    accuracy = np.mean(np.argmax(probabilities, axis=1) == labels)
    return float(losses.mean(dtype=np.float64)), float(accuracy)
