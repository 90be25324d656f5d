"""Adadelta is the paper's, and decays as Keras 2's did; SGD, its schedule and Lookahead are what they say."""

import dataclasses

import numpy as np
import pytest

from ablation import settings


@pytest.fixture
def adadelta(tensorflow, shipped_config, schema):
    from ablation.optimizers import optimizer_of

    spec = settings.model_spec(settings.complete(shipped_config, schema), "model2")
    return lambda learning_rate, decay: optimizer_of(
        dataclasses.replace(spec, learning_rate=learning_rate, decay=decay), steps=100
    )


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


def test_nesterov_momentum_is_the_formula(tensorflow):
    """v = m v + g, x -= rate (g + m v), g with the L2 penalty; BatchNorm's biases have a rate of their own."""
    import keras

    from ablation.optimizers import NesterovSGD, Triangular

    start, gradients = np.random.default_rng(1).normal(size=7), np.random.default_rng(2).normal(size=(20, 7))
    for name, factor in (("kernel", 1.0), ("beta", 64.0)):
        x, v = start.copy(), np.zeros(7)
        for t, gradient in enumerate(gradients):
            g = factor * gradient + 0.01 * x
            v = 0.85 * v + g
            x -= 1e-3 * float(Triangular(1.0, 20)(t)) * (g + 0.85 * v)
        variable = keras.Variable(start.astype("float32"), name=name)
        optimizer = NesterovSGD(Triangular(1e-3, 20), momentum=0.85, l2=0.01, bias_factor=64.0)
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
        np.testing.assert_allclose(variable.numpy(), x, rtol=1e-4, atol=1e-5)


def test_nesterov_momentum_is_keras_own_at_a_constant_rate(tensorflow):
    import keras

    from ablation.optimizers import NesterovSGD

    results = []
    for optimizer in (NesterovSGD(0.1, 0.9, 0.0, 1.0), keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)):
        variable = keras.Variable(np.ones(3, "float32"))
        for gradient in np.random.default_rng(1).normal(size=(50, 3)).astype("float32"):
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)


def test_the_triangular_schedule_is_two_lines(tensorflow):
    from ablation.optimizers import Triangular

    rates = [float(Triangular(2.0, 490)(step)) for step in range(491)]
    np.testing.assert_allclose(rates, 2 * np.interp(range(491), [0, 112, 490], [0.2, 1, 0.07]), rtol=1e-5)
    assert np.isfinite([float(Triangular(2.0, 1)(step)) for step in (0, 1)]).all()


def test_lookahead_is_the_formula(tensorflow):
    import keras

    from ablation.optimizers import Lookahead

    fast, counter = keras.Variable(np.zeros(3, "float32")), keras.Variable(7, dtype="int32")
    fixed = keras.Variable(np.random.default_rng(0).normal(size=100).astype("float32"))
    before = fixed.numpy()
    lookahead = Lookahead([fast, counter, fixed], every=5, steps=23)
    x, slow = np.zeros(3), np.zeros(3)
    for step in range(1, 24):
        moved = np.random.default_rng(step).normal(size=3)
        x = x + moved
        if step % 5 == 0 or step == 23:
            kept = 0.95**5 * (step / 23) ** 3
            slow = kept * slow + (1 - kept) * x
            x = slow
        fast.assign(fast + moved.astype("float32"))
        lookahead.follow(tensorflow.constant(step))
        np.testing.assert_allclose(fast.numpy(), x, rtol=1e-5, atol=1e-5)
    assert int(counter) == 7
    np.testing.assert_array_equal(fixed.numpy(), before)
