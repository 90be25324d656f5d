"""Adadelta is the paper's, and decays as Keras 2's did; SGD, its schedule and Lookahead are what they say; Keras's own
optimizers and schedules are there by their names."""

import importlib.util
import json
import re

import numpy as np
import pytest

from ablation.errors import InputError
from ablation.settings import check, recipes, specs, words
from conftest import ROOT


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
        ({"optimizer": "adam"}, "optimizer: there is no 'adam'; allowed: adadelta, "),
        (
            {"optimizer": "lookahead"},
            "optimizer: there is no 'lookahead'; allowed: adadelta, ",
        ),
        ({"optimizer": "__init__"}, "optimizer: there is no '__init__'"),
        ({"schedule": "cosine"}, "schedule: there is no 'cosine'; allowed: inverse_time, "),
        ({"schedule": "triangle"}, "schedule: there is no 'triangle'; did you mean 'triangular'?"),
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


def test_adadelta_has_the_constants_of_keras_2(adadelta):
    optimizer = adadelta(1.0, decay=1e-4)
    assert (optimizer.rho, optimizer.epsilon) == (0.95, 1e-7)


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


@pytest.mark.parametrize("shape", [(90, 8), (8, 90), (12, 12)], ids=str)
@pytest.mark.parametrize(
    ("steps", "dtype", "tolerance"), [(5, "float32", 1e-3), (3, "float32", 1e-3), (5, "bfloat16", 0.15)]
)
def test_muon_s_matrices_are_nearly_orthogonal(tensorflow, shape, steps, dtype, tolerance):
    """Singular vectors stay, whatever the length; singular values go through the polynomial, into the known band."""
    from ablation.training.optimizers.muon import orthogonalize

    left, _, right = np.linalg.svd(np.random.default_rng(1).normal(size=shape), full_matrices=False)
    values = np.linspace(1, 10, min(shape))
    matrix = left * values @ right
    values /= np.linalg.norm(values)
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    for length in (1e-9, 1, 1e9):
        found = orthogonalize(tensorflow.constant(length * matrix, tensorflow.float32), steps, dtype)
        assert found.dtype == tensorflow.float32
        np.testing.assert_allclose(found, left * values @ right, atol=tolerance)
        singular = np.linalg.svd(found, compute_uv=False)
        assert 0.68 - tolerance < singular.min() <= singular.max() < 1.21 + tolerance
    np.testing.assert_array_equal(orthogonalize(tensorflow.zeros(shape), steps, dtype), np.zeros(shape))


def test_muon_is_the_formula(tensorflow):
    """Written as in PyTorch, filters first: kernels of convolutions only; the rest is SGD, vectors with their factor
    and a frozen one with a schedule of its own."""
    import keras

    from ablation.training.optimizers.muon import Muon

    def orthogonal(g):
        x = g / np.linalg.norm(g)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return x

    shapes = {"convolution": (3, 3, 4, 6), "dense": (5, 4), "bias": (6,), "frozen": (3,)}
    rng = np.random.default_rng(1)
    x = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    variables = {name: keras.Variable(value.astype("float32"), name="kernel") for name, value in x.items()}
    variables["frozen"].last_epoch = 2
    optimizer = Muon(
        keras.optimizers.schedules.PolynomialDecay(0.01, 20, 0.0),
        0.85,
        l2_penalty=0.1,
        bias_factor=64.0,
        kernel_factor=30.0,
        kernel_momentum=0.6,
        newton_schulz_steps=5,
        compute_dtype="float32",
        epochs=4,
    )
    optimizer.build(list(variables.values()))
    v = {name: np.zeros(shape) for name, shape in shapes.items()}
    for t in range(20):
        gradients = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        for name, gradient in gradients.items():
            rate = 0.01 * max(1 - t / (10 if name == "frozen" else 20), 0)
            if name == "convolution":
                v[name] = 0.6 * v[name] + gradient
                filters = (gradient + 0.6 * v[name]).transpose(3, 2, 0, 1).reshape(6, -1)
                step = orthogonal(filters).reshape(6, 4, 3, 3).transpose(2, 3, 1, 0)
                x[name] = x[name] * 6**0.5 / np.linalg.norm(x[name]) - 30 * rate * step
            else:
                g = (1 if name == "dense" else 64) * gradient + 0.1 * x[name]
                v[name] = 0.85 * v[name] + g
                x[name] = x[name] - rate * (g + 0.85 * v[name])
        optimizer.apply(
            [keras.ops.convert_to_tensor(gradient.astype("float32")) for gradient in gradients.values()],
            list(variables.values()),
        )
        for name, variable in variables.items():
            np.testing.assert_allclose(variable.numpy(), x[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_settings_reach_muon(tensorflow, schema):
    """In any network; what it computes in is what the layers do."""
    import keras

    from ablation.training import networks

    settings = {"kernel_learning_rate": 0.3, "learning_rate": 0.5, "kernel_momentum": 0.7, "newton_schulz_steps": 4}
    settings |= {"optimizer": "muon", "momentum": 0.8, "weight_decay": 0.1, "bias_factor": 3, "epochs": 6}
    models = {
        "cnn": settings | {"batch_normalization": "before_relu", "channels": [4, 4, 4, 4]},
        "residual": settings | {"architecture": "resnet20", "width": 2},
        "modern": settings | {"architecture": "airbench", "channels": [4, 4, 4]},
    }
    config = check.validate_and_fill({"dataset": {"name": "digits"}, "models": models}, schema)
    images = np.random.default_rng(1).normal(size=(50, 16, 16, 3)).astype("float32")
    for name, policy in (("cnn", "float32"), ("residual", "float32"), ("modern", "mixed_bfloat16")):
        keras.config.set_dtype_policy(policy)
        try:
            model = networks.build_network(specs.model_spec(config, name), images, 3)
        finally:
            keras.config.set_dtype_policy("float32")
        found = model.optimizer.get_config()
        assert found["kernel_factor"] == pytest.approx(0.6)
        expected = {"momentum": 0.8, "l2_penalty": 0.1, "bias_factor": 3, "kernel_momentum": 0.7, "epochs": 6}
        expected |= {"newton_schulz_steps": 4, "compute_dtype": "bfloat16" if name == "modern" else "float32"}
        assert {key: found[key] for key in expected} == expected
        again = keras.optimizers.deserialize(keras.optimizers.serialize(model.optimizer))
        assert (type(again), again.get_config()) == (type(model.optimizer), found)
        for variable, factor, pace in zip(
            model.trainable_variables, model.optimizer._factors, model.optimizer._paces, strict=True
        ):
            assert factor == (3 if variable.name in ("bias", "beta", "gamma") else 1)
            assert pace == (2 if name == "modern" and variable.name == "bias" else 1)
            assert (len(variable.shape) == 4) == ("conv" in variable.path and variable.name == "kernel"), variable.path


def test_settings_reach_the_optimizer_and_its_file(tensorflow, modern_config, schema):
    """What a saved model says of its optimizer makes the same one again, whatever Keras's own options."""
    from ablation.training.optimizers import build_optimizer
    from ablation.training.optimizers.sgd import NesterovSGD

    spec = specs.model_spec(check.validate_and_fill(modern_config, schema), "airbench94")
    spec = spec.replace(momentum=0.8, weight_decay=0.02, bias_factor=3.0, learning_rate=0.5)
    config = build_optimizer(spec, steps=40).get_config()
    assert (config["momentum"], config["l2_penalty"], config["bias_factor"]) == (0.8, 0.02, 3.0)
    assert config["learning_rate"]["config"] == {"peak": 0.5, "steps": 40}
    assert config["name"] == "nesterov_sgd"
    config = NesterovSGD(0.1, 0.9, 0.0, 1.0, name="mine", clipnorm=2.0).get_config()
    assert (config["name"], config["clipnorm"]) == ("mine", 2.0)
    assert NesterovSGD.from_config(config).get_config() == config


def test_the_triangular_schedule_is_two_lines(tensorflow):
    from ablation.training.schedules.triangular import TriangularSchedule

    rates = [float(TriangularSchedule(2.0, 490)(step)) for step in range(491)]
    np.testing.assert_allclose(rates, 2 * np.interp(range(491), [0, 112, 490], [0.2, 1, 0.07]), rtol=1e-5)
    assert float(TriangularSchedule(2.0, 490)(600)) == pytest.approx(0.14)
    for steps, expected in ((1, [0.4, 2]), (3, [0.4, 2, 1.07, 0.14])):  # with no room to rise, or to fall
        found = [float(TriangularSchedule(2.0, steps)(step)) for step in range(steps + 1)]
        assert found == pytest.approx(expected)


def test_the_triangular_schedule_to_zero_is_two_lines(tensorflow):
    from ablation.training.schedules.triangular_to_zero import TriangularToZero

    rates = [float(TriangularToZero(2.0, 490)(step)) for step in range(491)]
    np.testing.assert_allclose(rates, 2 * np.interp(range(491), [0, 49, 490], [0.2, 1, 0]), rtol=1e-5, atol=1e-6)
    assert float(TriangularToZero(2.0, 490)(600)) == 0
    for steps, expected in ((1, [0.4, 0]), (3, [0.4, 2, 1, 0])):  # with no room to rise, or to fall
        found = [float(TriangularToZero(2.0, steps)(step)) for step in range(steps + 1)]
        assert found == pytest.approx(expected)
    assert TriangularToZero.from_config(TriangularToZero(2.0, 490).get_config())(49) == 2


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


def completed(schema, **entry):
    """Return the completed entry of one model."""
    config = check.validate_and_fill({"dataset": {"name": "digits"}, "models": {"b": {}, "a": entry}}, schema)
    return config["models"]["a"]


def test_the_table_of_recipes_is_that_of_the_installed_keras(tensorflow):
    spec = importlib.util.spec_from_file_location("keras_table", ROOT / "docs/keras_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert recipes.keras_recipes() == json.loads(json.dumps(module.table())), "run docs/keras_table.py"


def test_every_recipe_of_keras_takes_steps(tensorflow, schema):
    import keras

    from ablation.training.optimizers import build_optimizer

    needed = {
        "exponential_decay": {"decay_rate": 0.5},
        "inverse_time_decay": {"decay_rate": 0.5},
        "piecewise_constant_decay": {"boundaries": [2], "values": [0.1, 0.01]},
    }
    table = recipes.keras_recipes()
    entries = [{"optimizer": {"name": name, "clipnorm": 1}, "learning_rate": 0.1} for name in table["optimizer"]]
    entries += [{"schedule": {"name": name, **needed.get(name, {})}} for name in table["schedule"]]
    for entry in entries:
        model = completed(schema, **entry)
        optimizer = build_optimizer(specs.ModelSpec(model), steps=4)
        variable = keras.Variable(np.ones((2, 3), "float32"), name="kernel")
        for _ in range(4):
            optimizer.apply([keras.ops.ones((2, 3))], [variable])
        assert np.isfinite(variable.numpy()).all()
        assert (variable.numpy() != 1).all(), entry
        if "optimizer" in entry:
            expected = entry["optimizer"]["name"].replace("_", "")
            assert (type(optimizer).__name__.lower(), optimizer.clipnorm) == (expected, 1.0)


def test_an_optimizer_of_keras_has_the_learning_rate_of_the_schedule(tensorflow, schema):
    from ablation.training.optimizers import build_optimizer

    model = completed(schema, optimizer={"name": "adamw"}, learning_rate=0.5, schedule="cosine_decay")
    optimizer = build_optimizer(specs.ModelSpec(model), steps=4)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.iterations.assign(2)
    assert float(optimizer.learning_rate) == pytest.approx(0.25)


def test_a_schedule_lasts_as_long_as_the_training(tensorflow, schema):
    from ablation.training.optimizers import build_optimizer

    warm = {"name": "cosine_decay", "warmup_steps": 20, "warmup_target": 0.3}
    for schedule, expected in (
        ("cosine_decay", {0: 0.1, 50: 0.05, 100: 0}),
        (warm, {0: 0.1, 10: 0.2, 20: 0.3, 60: 0.15, 100: 0}),
        ({"name": "cosine_decay", "decay_steps": 50}, {0: 0.1, 50: 0}),
        ({"name": "polynomial_decay", "end_learning_rate": 0}, {50: 0.05, 100: 0}),
        ({"name": "piecewise_constant_decay", "boundaries": [9], "values": [0.5, 0.2]}, {9: 0.5, 10: 0.2}),
    ):
        spec = specs.ModelSpec(completed(schema, schedule=schedule)).replace(learning_rate=0.1)
        optimizer = build_optimizer(spec, steps=100)
        for step, rate in expected.items():
            optimizer._iterations.assign(step)
            assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"optimizer": "adamv"},
            "models.a.optimizer: 'adamv' is unknown; did you mean 'adam'? allowed: adadelta,",
        ),
        ({"optimizer": {"name": "adamv"}}, "models.a.optimizer.name: 'adamv' is unknown; did you mean 'adam"),
        ({"optimizer": {"weight_decay": 1}}, "models.a.optimizer.name: missing"),
        (
            {"optimizer": {"name": "adamw", "weigth_decay": 0.1}},
            "models.a.optimizer.weigth_decay: unknown key; did you mean 'weight_decay'? allowed: name, weight_decay,",
        ),
        ({"optimizer": {"name": "adamw", "beta_1": "x"}}, "models.a.optimizer.beta_1: expected a number, got 'x'"),
        ({"optimizer": {"name": "adamw", "use_ema": 1}}, "models.a.optimizer.use_ema: expected true or false, got 1"),
        (
            {"optimizer": "adamw", "momentum": 0.5},
            "a.momentum: applies only to optimizer sgd or muon (here it is Keras's adamw, which has its arguments",
        ),
        (
            {"optimizer": {"name": "sgd"}, "momentum": 0.5},
            "only to optimizer sgd or muon (here it is Keras's sgd, which has its",
        ),
        ({"optimizer": "adadelta", "momentum": 0.5}, "applies only to optimizer sgd or muon (here it is adadelta)"),
        ({"optimizer": "sgd", "kernel_momentum": 0.5}, "applies only to optimizer muon (here it is sgd)"),
        (
            {"optimizer": {"name": "muon"}, "learning_rate": 1, "kernel_momentum": 0.5},
            "applies only to optimizer muon (here it is Keras's muon, which has its arguments inside",
        ),
        (
            {"optimizer": "muon"},
            "a.learning_rate: missing; the default 1 is for adadelta, and muon needs one for all but the kernels",
        ),
        ({"optimizer": "muon", "newton_schulz_steps": 0}, "a.newton_schulz_steps: must be at least 1 (got 0)"),
        (
            {
                "optimizer": "muon",
                "schedule": {"name": "piecewise_constant_decay", "boundaries": [1], "values": [1, 2]},
            },
            "a.schedule: piecewise_constant_decay does not go with optimizer muon, which needs a learning_rate beside",
        ),
        (
            {"optimizer": "adamw"},
            "a.learning_rate: missing; the default 1 is for adadelta, and that of Keras's adamw is 0.001",
        ),
        ({"optimizer": "AdamW"}, "models.a.optimizer: 'AdamW' is unknown; did you mean 'adamw'?"),
        (
            {"schedule": {"name": "triangular"}},
            "schedule.name: 'triangular' is of this workflow; write schedule: triangular, and its arguments beside it",
        ),
        ({"schedule": "cosine"}, "models.a.schedule: 'cosine' is unknown; did you mean 'cosine_decay'?"),
        ({"schedule": {"name": "exponential_decay"}}, "models.a.schedule.decay_rate: missing"),
        ({"schedule": "exponential_decay"}, "models.a.schedule.decay_rate: missing"),
        (
            {"schedule": {"name": "piecewise_constant_decay", "boundaries": [1], "values": [1, 2]}, "learning_rate": 1},
            "models.a.learning_rate: does not apply to schedule piecewise_constant_decay, which has its own",
        ),
        (
            {"optimizer": {"name": "adam", "gradient_accumulation_steps": 2}, "lookahead": 5},
            "models.a.lookahead: does not go with an optimizer's gradient_accumulation_steps",
        ),
        (
            {"optimizer": {"name": "adam", "gradient_accumulation_steps": 1}},
            "a.optimizer.gradient_accumulation_steps: must be at least 2 (got 1)",
        ),
        ({"optimizer": {"name": "adam", "clipnorm": 0}}, "a.optimizer.clipnorm: must be more than 0 (got 0)"),
        (
            {"optimizer": {"name": "adam", "ema_momentum": 0.5}, "learning_rate": 1},
            "a.optimizer.ema_momentum: applies only with use_ema: true",
        ),
        (
            {"schedule": {"name": "cosine_decay", "warmup_steps": 5}},
            "a.schedule.warmup_target: missing; warmup_steps needs it, the rate to rise to",
        ),
        (
            {"schedule": {"name": "piecewise_constant_decay", "boundaries": [2, 1], "values": [1, 2, 3]}},
            "a.schedule.boundaries: must be in ascending order (got [2, 1])",
        ),
    ],
    ids=str,
)
def test_a_wrong_recipe_is_one_line(schema, entry, message):
    with pytest.raises(InputError) as caught:
        completed(schema, **entry)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_keras_refuses_is_one_line(tensorflow, schema):
    from ablation.training.optimizers import build_optimizer

    spec = specs.ModelSpec(
        completed(schema, optimizer={"name": "adam", "clipnorm": 1, "clipvalue": 1}, learning_rate=1)
    )
    with pytest.raises(InputError, match="^optimizer: adam: Only one of `clipnorm`, `clipvalue` and `global_clipnorm`"):
        build_optimizer(spec, steps=4)
    for warmup in (4, 9):
        schedule = {"name": "cosine_decay", "warmup_steps": warmup, "warmup_target": 1}
        message = f"^schedule: cosine_decay: warmup_steps {warmup} are not less than the 4 steps of the"
        with pytest.raises(InputError, match=message):
            build_optimizer(specs.ModelSpec(completed(schema, schedule=schedule)), steps=4)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"name": "no_such_decay"}, "'nosuchdecay'"),
        ({"name": "cosine_decay", "decay_steps": 4, "speed": 1}, ".*unexpected keyword argument 'speed'"),
        ({"name": "piecewise_constant_decay", "boundaries": [2], "values": [1]}, ".*"),
    ],
)
def test_what_is_no_class_or_no_argument_of_keras_is_one_line(tensorflow, described, message):
    import keras

    from ablation.training.dispatch import keras_object

    with pytest.raises(InputError, match=f"^schedule: {described['name']}: {message}"):
        keras_object(keras.optimizers.schedules, "schedule", {"initial_learning_rate": 1.0} | described)


def test_a_recipe_has_one_form_and_is_told_in_words(schema):
    """A default of Keras's that is named changes no key; a name of ours is ours, in a mapping it is Keras's."""
    explicit = {"name": "adamw", "weight_decay": 0.004, "clipnorm": None, "use_ema": "false", "beta_1": "0.9"}

    def optimizer(given):
        return completed(schema, optimizer=given, learning_rate=0.1)["optimizer"]

    assert optimizer(explicit) == optimizer("adamw")
    assert optimizer("sgd") == "sgd"
    assert optimizer({"name": "sgd"}) == {"name": "sgd"}
    config = {"dataset": {"name": "digits"}, "models": {"b": {}, "a": {}}}
    config["models"]["a"] = {
        "optimizer": {"name": "adamw", "weight_decay": 0.01, "use_ema": True},
        "schedule": {"name": "piecewise_constant_decay", "boundaries": [1, 2], "values": [1, 0.1, 0.01]},
    }
    complete = check.validate_and_fill(config, schema)
    assert words.differences_in_words(complete, "a") == (
        "optimizer adamw (weight_decay 0.01, use_ema true);"
        " schedule piecewise constant decay (boundaries 1-2, values 1-0.1-0.01)"
    )
    assert check.validate_and_fill(words.minimal_config(complete), schema)["models"] == complete["models"]
    assert complete["models"]["a"]["learning_rate"] is None
    spec = specs.model_spec(complete, "a")
    assert specs.ModelSpec.from_json(spec.to_json()) == spec
