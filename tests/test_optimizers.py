"""Adadelta is the paper's, and decays as Keras 2's did; SGD, its schedule and Lookahead are what they say."""

import re

import numpy as np
import pytest

from ablation.errors import InputError
from ablation.settings import check, specs


@pytest.fixture
def adadelta(tensorflow, shipped_config, schema):
    from ablation.training.optimizers import build_optimizer

    spec = specs.model_spec(check.validate_and_fill(shipped_config, schema), "model2")
    return lambda learning_rate, decay: build_optimizer(
        spec.replace(learning_rate=learning_rate, decay=decay), steps=100
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adam"}, "optimizer: there is no 'adam'; did you mean adadelta"),
        ({"optimizer": "lookahead"}, "optimizer: there is no 'lookahead'; did you mean adadelta or sgd"),
        ({"optimizer": "__init__"}, "optimizer: there is no '__init__'"),
        ({"schedule": "cosine"}, "schedule: there is no 'cosine'; did you mean"),
        ({"schedule": "triangle"}, "schedule: there is no 'triangle'; did you mean triangular?"),
    ],
)
def test_an_unknown_name_is_an_error(tensorflow, shipped_config, schema, changes, message):
    from ablation.training.optimizers import build_optimizer

    spec = specs.model_spec(check.validate_and_fill(shipped_config, schema), "model2")
    with pytest.raises(InputError, match=re.escape(message)):
        build_optimizer(spec.replace(**changes), steps=100)


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

    from ablation.training.optimizers.sgd import NesterovSGD
    from ablation.training.schedules.triangular import TriangularSchedule

    start, gradients = np.random.default_rng(1).normal(size=7), np.random.default_rng(2).normal(size=(20, 7))
    for is_offset, factor in ((False, 1.0), (True, 64.0)):
        x, v = start.copy(), np.zeros(7)
        for t, gradient in enumerate(gradients):
            g = factor * gradient + 0.01 * x
            v = 0.85 * v + g
            x -= 1e-3 * float(TriangularSchedule(1.0, 20)(t)) * (g + 0.85 * v)
        variable = keras.Variable(start.astype("float32"), name="beta")
        variable.is_batch_norm_offset = is_offset
        optimizer = NesterovSGD(TriangularSchedule(1e-3, 20), momentum=0.85, l2_penalty=0.01, bias_factor=64.0)
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
        np.testing.assert_allclose(variable.numpy(), x, rtol=1e-4, atol=1e-5)


def test_nesterov_momentum_is_keras_own_at_a_constant_rate(tensorflow):
    import keras

    from ablation.training.optimizers.sgd import NesterovSGD

    results = []
    for optimizer in (NesterovSGD(0.1, 0.9, 0.0, 1.0), keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)):
        variable = keras.Variable(np.ones(3, "float32"))
        for gradient in np.random.default_rng(1).normal(size=(50, 3)).astype("float32"):
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)


def test_the_triangular_schedule_is_two_lines(tensorflow):
    from ablation.training.schedules.triangular import TriangularSchedule

    rates = [float(TriangularSchedule(2.0, 490)(step)) for step in range(491)]
    np.testing.assert_allclose(rates, 2 * np.interp(range(491), [0, 112, 490], [0.2, 1, 0.07]), rtol=1e-5)
    assert np.isfinite([float(TriangularSchedule(2.0, 1)(step)) for step in (0, 1)]).all()


def test_lookahead_is_the_formula(tensorflow):
    import keras

    from ablation.training.optimizers.lookahead import Lookahead

    fast, counter = keras.Variable(np.zeros(3, "float32")), keras.Variable(7, dtype="int32")
    fixed = keras.Variable(np.random.default_rng(0).normal(size=100).astype("float32"))
    before = fixed.numpy()
    lookahead = Lookahead([fast, counter, fixed], every=5, steps=23)
    x, slow = np.zeros(3), np.zeros(3)
    for step in range(1, 24):
        update = np.random.default_rng(step).normal(size=3)
        x = x + update
        if step % 5 == 0 or step == 23:
            retention = 0.95**5 * (step / 23) ** 3
            slow = retention * slow + (1 - retention) * x
            x = slow
        fast.assign(fast + update.astype("float32"))
        lookahead.step(tensorflow.constant(step))
        np.testing.assert_allclose(fast.numpy(), x, rtol=1e-5, atol=1e-5)
    assert int(counter) == 7
    np.testing.assert_array_equal(fixed.numpy(), before)
