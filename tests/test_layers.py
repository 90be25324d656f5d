"""The fused BatchNorm is Keras's, but for the unbiased moving variance."""

import numpy as np
import pytest

rng = np.random.default_rng(1)
GAMMA, BETA, MEAN, VARIANCE = WEIGHTS = np.stack(
    [rng.uniform(0.5, 2, 6), rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 2, 6)]
).astype("float32")


@pytest.fixture
def pair(tensorflow):
    """The fused layer and Keras's own, with the same weights."""
    import keras

    from ablation.layers import FusedBatchNormalization

    layers = FusedBatchNormalization(), keras.layers.BatchNormalization()
    for layer in layers:
        layer.build((None, 5, 5, 6))
        layer.set_weights(WEIGHTS)
    return layers


@pytest.fixture
def images():
    return np.random.default_rng(2).normal(3, 2, size=(8, 5, 5, 6)).astype("float32")


@pytest.mark.parametrize("training", [False, True])
def test_outputs_and_gradients(tensorflow, pair, images, training):
    results = []
    for layer in pair:
        x = tensorflow.Variable(images)
        with tensorflow.GradientTape() as tape:
            outputs = layer(x, training=training)
            loss = tensorflow.reduce_sum(tensorflow.sin(outputs))
        results.append([outputs, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_moving_statistics_differ_by_bessels_correction_alone(pair, images):
    for layer in pair:
        layer(images, training=True)
    ours, theirs = pair
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-5, atol=1e-6)
    n = 8 * 5 * 5
    batch_variance = images.astype("float64").var(axis=(0, 1, 2))
    np.testing.assert_allclose(theirs.moving_variance, 0.99 * VARIANCE + 0.01 * batch_variance, rtol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, 0.99 * VARIANCE + 0.01 * batch_variance * n / (n - 1), rtol=1e-5)


def test_inference_leaves_the_moving_statistics_alone(pair, images):
    ours, _ = pair
    before = [weight.numpy().copy() for weight in ours.non_trainable_weights]
    ours(images, training=False)
    for was, weight in zip(before, ours.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(was, weight)
