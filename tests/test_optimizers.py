"""Adadelta is the paper's, and decays as Keras 2's did."""

import numpy as np
import pytest


@pytest.fixture
def adadelta(tensorflow):
    from ablation.optimizers import adadelta

    return adadelta


def test_learning_rate_after_80_epochs(adadelta):
    optimizer = adadelta(1.0, decay=1e-4)
    optimizer.build([])
    optimizer.iterations.assign(80 * 704)
    assert float(optimizer.learning_rate) == pytest.approx(1 / (1 + 1e-4 * 56_320), rel=1e-6)
    assert float(optimizer.learning_rate) == pytest.approx(0.1508, abs=5e-5)


def test_learning_rate_without_decay_stays(adadelta):
    optimizer = adadelta(1.0, decay=0.0)
    optimizer.build([])
    optimizer.iterations.assign(56_320)
    assert float(optimizer.learning_rate) == 1.0


def test_steps_are_algorithm_1_of_the_paper(adadelta):
    import keras

    rng = np.random.default_rng(1)
    start, gradients = rng.normal(size=7), rng.normal(size=(50, 7))
    rho, epsilon, decay = 0.95, 1e-7, 1e-2

    x, squared_gradients, squared_steps = start.copy(), np.zeros(7), np.zeros(7)
    for t, gradient in enumerate(gradients):
        squared_gradients = rho * squared_gradients + (1 - rho) * gradient**2
        step = -np.sqrt(squared_steps + epsilon) / np.sqrt(squared_gradients + epsilon) * gradient
        squared_steps = rho * squared_steps + (1 - rho) * step**2
        x += step / (1 + decay * t)

    variable = keras.Variable(start.astype("float32"))
    optimizer = adadelta(1.0, decay)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
    np.testing.assert_allclose(variable.numpy(), x, rtol=1e-5, atol=1e-6)


def test_200_steps_agree_with_keras(adadelta):
    import keras

    rng = np.random.default_rng(2)
    start = rng.normal(size=(5, 3)).astype("float32")
    schedule = keras.optimizers.schedules.InverseTimeDecay(1.0, decay_steps=1, decay_rate=1e-4)
    results = []
    for optimizer in (adadelta(1.0, 1e-4), keras.optimizers.Adadelta(schedule, rho=0.95, epsilon=1e-7)):
        gradients = np.random.default_rng(3)
        variable = keras.Variable(start)
        for _ in range(200):
            optimizer.apply([keras.ops.convert_to_tensor(gradients.normal(size=(5, 3)).astype("float32"))], [variable])
        results.append([variable.numpy(), *(value.numpy() for value in optimizer.variables)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-7)
