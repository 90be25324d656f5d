"""The loss that the notebook reported."""

import keras
import tensorflow as tf

EPSILON = 1e-7  # not keras.config.epsilon(), which the user's keras.json decides


@keras.saving.register_keras_serializable(package="ablation")
def clipped_categorical_crossentropy(
    labels: tf.Tensor, probabilities: tf.Tensor, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Return each sample's cross-entropy as Keras 2 computed it, float32 of shape (n,), in nats.

    labels: (n,) or (n, 1) integers; probabilities: (n, classes) float32, a softmax. Rows are scaled to
    sum to one and clipped to [1e-7, 1 - 1e-7] before the logarithm, so no sample's loss
    exceeds -log(1e-7) = 16.118. Keras 3 goes back to the logits and never clips.

    label_smoothing: the fraction of every target that is spread evenly over all classes.

    Source: Keras 2.1.6, keras/backend/tensorflow_backend.py, categorical_crossentropy.
    """
    normalized = probabilities / tf.reduce_sum(probabilities, axis=-1, keepdims=True)
    true = tf.gather(normalized, tf.reshape(tf.cast(labels, tf.int32), [-1]), batch_dims=1)
    losses = -tf.math.log(tf.clip_by_value(true, EPSILON, 1 - EPSILON))
    if not label_smoothing:
        return losses
    mean_over_classes = -tf.reduce_mean(tf.math.log(tf.clip_by_value(normalized, EPSILON, 1 - EPSILON)), axis=-1)
    return (1 - label_smoothing) * losses + label_smoothing * mean_over_classes
