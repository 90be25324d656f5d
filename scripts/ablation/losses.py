"""The loss that the notebook reported."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ablation")
def clipped_categorical_crossentropy(labels, probabilities, label_smoothing=0.0):
    """Return each sample's cross-entropy as Keras 2 computed it, float32 of shape (n,).

    labels: (n,) or (n, 1) integers; probabilities: (n, classes) float32, a softmax. Rows are scaled to
    sum to one and clipped to [1e-7, 1 - 1e-7] before the logarithm, so no sample's loss
    exceeds -log(1e-7) = 16.118. Keras 3 goes back to the logits and never clips.

    label_smoothing: the share of every target that is spread evenly over all classes.

    Source: Keras 2.1.6, keras/backend/tensorflow_backend.py, categorical_crossentropy.
    """
    epsilon = keras.config.epsilon()
    normalised = probabilities / tf.reduce_sum(probabilities, axis=-1, keepdims=True)
    true = tf.gather(normalised, tf.reshape(tf.cast(labels, tf.int32), [-1]), batch_dims=1)
    losses = -tf.math.log(tf.clip_by_value(true, epsilon, 1 - epsilon))
    if not label_smoothing:
        return losses
    of_all = -tf.reduce_mean(tf.math.log(tf.clip_by_value(normalised, epsilon, 1 - epsilon)), axis=-1)
    return (1 - label_smoothing) * losses + label_smoothing * of_all
