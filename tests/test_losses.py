"""The loss is Keras 2's: renormalized, and clipped before the logarithm."""

import numpy as np
import pytest


@pytest.fixture
def loss(tensorflow):
    from ablation.training.losses import clipped_categorical_crossentropy

    return lambda labels, probabilities: clipped_categorical_crossentropy(labels, probabilities).numpy()


def test_keras_epsilon_decides_nothing(loss):
    import keras

    keras.config.set_epsilon(1e-3)
    try:
        assert loss([2], np.array([[1.0, 0.0, 0.0]], dtype=np.float32)) == pytest.approx(16.118, abs=5e-4)
    finally:
        keras.config.set_epsilon(1e-7)


def test_a_saturated_sample_costs_16_118(loss):
    probabilities = np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
    assert loss([2], probabilities) == pytest.approx(16.118, abs=5e-4)
    assert loss([0], probabilities) == pytest.approx(1e-7, rel=0.2)  # float32 next to 1


def test_against_the_formula_in_float64(loss):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.full(10, 0.1), size=200)
    labels = rng.integers(0, 10, 200)
    clipped = np.clip(probabilities / probabilities.sum(axis=1, keepdims=True), 1e-7, 1 - 1e-7)
    expected = -np.log(clipped[np.arange(200), labels])
    np.testing.assert_allclose(loss(labels, probabilities.astype(np.float32)), expected, rtol=1e-4, atol=2e-7)


def test_a_saturated_sample_has_no_gradient(tensorflow):
    """As in Keras 2: where the clip holds, the sample no longer pulls."""
    from ablation.training.losses import clipped_categorical_crossentropy

    probabilities = tensorflow.Variable([[1.0, 1e-9], [0.6, 0.4]])
    with tensorflow.GradientTape() as tape:
        losses = clipped_categorical_crossentropy(tensorflow.constant([1, 1]), probabilities)
    gradient = tape.gradient(losses, probabilities).numpy()
    assert not gradient[0].any()
    assert gradient[1].any()
    sure = tensorflow.Variable([[1.0, 0.0, 0.0]])
    with tensorflow.GradientTape() as tape:
        smoothed = clipped_categorical_crossentropy(tensorflow.constant([0]), sure, 0.2)
    assert not tape.gradient(smoothed, sure).numpy().any()


def test_label_smoothing_is_keras_own(tensorflow):
    import keras

    from ablation.training.losses import clipped_categorical_crossentropy

    rng = np.random.default_rng(2)
    probabilities, labels = rng.dirichlet(np.ones(10), size=50).astype(np.float32), rng.integers(0, 10, 50)
    theirs = keras.losses.CategoricalCrossentropy(label_smoothing=0.2, reduction=None)
    expected = theirs(keras.utils.to_categorical(labels, 10), probabilities)
    np.testing.assert_allclose(clipped_categorical_crossentropy(labels, probabilities, 0.2), expected, rtol=1e-4)
