"""A network in a file of the user's is a network like ours: its arguments are settings, its code is in the keys."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_checkpoint import StopAt

from ablation import keys, plan
from ablation.data import images
from ablation.errors import InputError, Interrupted
from ablation.settings import check, specs, words
from ablation.settings.networks import network_settings
from conftest import ROOT, Checkout, jobs_in, write_digits
from test_reruns import TINY

NETWORK = '''
from typing import Literal

import keras
from keras import layers


def build(input_shape, classes, *, width: int = 4, rates: tuple[float, ...] = (0.1, 0.2), scale: float = 1,
          pool: Literal["max", "average"] = "max", biased: bool = True, sizes: list[int] = [3, 3]):
    """Return a small network."""
    model = keras.Sequential([keras.Input(input_shape)])
    for size in sizes:
        model.add(layers.Conv2D(width, size, activation="relu", use_bias=biased))
        model.add(layers.BatchNormalization())
    model.add({"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pool](4))
    for rate in rates:
        model.add(layers.Dropout(rate))
    model.add(layers.Flatten())
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return model
'''


@pytest.fixture
def own(tmp_path):
    """A function that writes a user's network and returns its path."""

    def write(text=NETWORK, name="own.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def completed(schema, models, **sections):
    return check.validate_and_fill({"dataset": {"name": "digits"}, "models": models} | sections, schema)


def planned(schema, folder, models, **sections):
    return plan.Plan(completed(schema, models, **sections), schema, folder, folder / "digests.json")


def test_arguments_are_settings(schema, own):
    path = own()
    models = {
        "plain": {},
        "own": {"architecture": path},
        "wide": {"architecture": path, "width": "8", "rates": [0, "0.5", 1e-1], "pool": "average", "biased": "false"},
    }
    config = completed(schema, models, defaults={"scale": 2})
    spec = specs.model_spec(config, "own")
    arguments = (spec.width, spec.rates, spec.scale, spec.pool, spec.biased, spec.sizes)
    assert arguments == (4, (0.1, 0.2), 2.0, "max", True, (3, 3))
    wide = specs.model_spec(config, "wide")
    assert (wide.width, wide.rates, wide.pool, wide.biased) == (8, (0, 0.5, 0.1), "average", False)
    assert (spec.channels, spec.dropout, spec.epochs) == (None, None, 80)
    assert not {"width", "scale"} & set(specs.model_spec(config, "plain").settings)
    difference = words.differences_in_words(config, "wide")
    assert f"architecture {path}" in difference
    assert "scale 2; width 8; rates 0-0.5-0.1; pool average; biased false" in difference
    assert words.varying_settings(config)["width"] == {"plain": "–", "own": "4", "wide": "8"}
    minimal = yaml.safe_load(yaml.safe_dump(words.minimal_config(config)))
    assert check.validate_and_fill(minimal, schema)["models"] == config["models"]


def test_an_argument_may_have_the_name_of_a_setting_of_our_networks(schema, own):
    path = own("def build(shape, classes, dropout: float = 0.5, channels: list[int] = [1, 2]): ...\n")
    config = completed(schema, {"a": {"architecture": path}, "b": {"architecture": path, "dropout": 0}, "ours": {}})
    assert [config["models"][name]["dropout"] for name in ("a", "b")] == [0.5, 0]
    assert [config["models"][name]["channels"] for name in ("a", "ours")] == [[1, 2], [32, 64, 64, 64]]


WRONG = [
    ({"width": "x"}, "models.a.width: expected an integer, got 'x' (build in own.py)"),
    ({"width": 1.5}, "models.a.width: expected an integer, got 1.5 (build in own.py)"),
    ({"biased": 1}, "models.a.biased: expected true or false, got 1 (build in own.py)"),
    ({"rates": [0.5, "y"]}, "models.a.rates[1]: expected a number, got 'y' (build in own.py)"),
    ({"pool": "mean"}, "models.a.pool: 'mean' is unknown; allowed: max, average (build in own.py)"),
    ({"widht": 3}, "models.a.widht: unknown key; did you mean 'width'? allowed: input, "),
    ({"widht": 3}, "; of build in own.py: width, rates, scale, pool, biased, sizes"),
    ({"dropout": [0, 0, 0]}, "models.a.dropout: applies only to architecture cifar10_cnn (here it is "),
]


@pytest.mark.parametrize(("entry", "message"), WRONG, ids=str)
def test_a_wrong_argument_is_one_line(schema, own, entry, message):
    with pytest.raises(InputError) as caught:
        completed(schema, {"a": {"architecture": own(), **entry}})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_default_of_all_models_must_suit_those_that_have_it(schema, own):
    with pytest.raises(InputError, match=r"^defaults.width: expected an integer, got 'x' \(build in own.py\)$"):
        completed(schema, {"a": {"architecture": own()}}, defaults={"width": "x"})
    with pytest.raises(InputError, match="^defaults.width: unknown key"):
        completed(schema, {"a": {}}, defaults={"width": 3})


BAD_FILES = [
    ("def build(shape, classes, *, n=3): ...", "line 1: argument 'n' of 'build' must be annotated with int, float,"),
    ("def build(shape, classes, *, n: dict = {}): ...", "argument 'n' of 'build' must be annotated with int, float,"),
    ("def build(shape, classes, *, n: int): ...", "argument 'n' of 'build' has no default"),
    ("def build(shape, classes, *, n: int = f()): ...", "its default must be a literal, as 3, 'same' or (16, 32)"),
    (
        "def build(shape, classes, *, n: int = 'x'): ...",
        "own.py, line 1: argument 'n' of 'build': its default: expected an integer, got 'x' (build in own.py)",
    ),
    ("def build(shape, classes, *, n: Literal[None, 'a'] = None): ...", "argument 'n' of 'build' must be annotated"),
    ("def build(shape, classes, *, n: tuple[()] = ()): ...", "argument 'n' of 'build' must be annotated"),
    ("def build(shape, classes, *, n: int = {[]: 1}): ...", "its default must be a literal"),
    ("def build(shape, classes, *, grid: int = 3): ...", "argument 'grid' of 'build' has the name of another"),
    ("def build(shape, classes, *, images: int = 3): ...", "argument 'images' of 'build' is the training images;"),
    ("@cached\ndef build(shape, classes, *, n: int = 3): ...", "line 2: 'build' has a decorator, which hides"),
    (
        "keras.utils.set_random_seed(7)\ndef build(shape, classes): ...",
        "line 1: 'set_random_seed' decides for the whole study",
    ),
    (
        "def build(shape, classes, *, epochs: int = 3): ...",
        "argument 'epochs' of 'build' has the name of another",
    ),
    ("def build(shape, classes, **options): ...", "'*options' of 'build' can't be a setting"),
    ("def build(shape): ...", "the first two arguments of 'build' must be the shape of an image and the number of"),
    ("def biuld(shape, classes): ...", "own.py has no function 'build'"),
    ("def build(shape, classes) ...", "own.py, line 1: expected ':'"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES, ids=[text for text, _ in BAD_FILES])
def test_a_file_that_is_no_network_is_one_line(schema, own, text, message):
    with pytest.raises(InputError) as caught:
        completed(schema, {"a": {"architecture": own(text)}})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_grid_of_networks_gives_each_only_values_of_its_settings(schema, own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own()
    own(NETWORK.replace("width: int = 4", "width: Literal['a', 'b'] = 'a'"), "b.py")
    models = {"m": {"architecture": "own.py", "width": 9}, "g": {"grid": {"of": "m", "architecture": ["b.py"]}}}
    with pytest.raises(
        InputError, match=r"^models\.g\.grid: its row m-architecture-b.py\.width: 9 is unknown; allowed: a"
    ):
        completed(schema, models)


@pytest.mark.parametrize("value", [16, "16", 16.0])
def test_a_choice_of_numbers_may_be_text(schema, own, value):
    path = own(NETWORK.replace("width: int = 4", "width: Literal[8, 16, True] = 8"))
    width = completed(schema, {"a": {"architecture": path, "width": value}})["models"]["a"]["width"]
    assert (width, type(width)) == (16, int)
    assert completed(schema, {"a": {"architecture": path, "width": "true"}})["models"]["a"]["width"] is True


def test_a_network_that_is_not_there_is_one_line(schema):
    with pytest.raises(InputError, match=r"^defaults.architecture: no such file 'my/own.py'$"):
        completed(schema, {"a": {}}, defaults={"architecture": "my/own.py"})
    with pytest.raises(InputError, match="'resnet' is unknown; did you mean 'resnet20'.*, or a file of yours"):
        completed(schema, {"a": {"architecture": "resnet"}})


def test_the_signatures_of_our_networks_are_the_schema_s(schema):
    """Their arguments are the settings that apply to them; where a list may have any length, the defaults differ."""
    rules = schema["$defs"]["settings"]["properties"]
    for name in ("cifar10_cnn", "airbench", "airbench96"):
        own = network_settings("architecture", name, schema)
        assert own == {
            key: rule for key, rule in rules.items() if name in rule.get("x-only-with", {}).get("architecture", [])
        }
        tree = ast.parse((ROOT / f"scripts/ablation/training/networks/{name}.py").read_text())
        (build,) = [node for node in tree.body if getattr(node, "name", "") == "build"]
        for argument, default in zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True):
            value = ast.literal_eval(default)
            if name == "cifar10_cnn" or argument.arg != "channels":
                assert rules[argument.arg]["default"] == (list(value) if isinstance(value, tuple) else value)


def test_the_content_of_the_file_is_in_the_keys_and_its_place_is_not(schema, own, tmp_path):
    models = {"a": {"architecture": own(), "width": 4}, "b": {}}
    before = planned(schema, tmp_path, models)

    def after(text=NETWORK, name="own.py", **entry):
        found = planned(schema, tmp_path, {"a": {"architecture": own(text, name), "width": 4, **entry}, "b": {}})
        assert found.training_keys["b"] == before.training_keys["b"]
        same = [found.training_keys["a"] == before.training_keys["a"]]
        same.append(found.study["evaluations"]["a"] == before.study["evaluations"]["a"])
        assert same[0] == same[1]
        return same[0]

    assert after("# a comment\n" + NETWORK)
    assert after(NETWORK.replace("Return a small network.", "Something else."))
    assert after(name="other.py")
    assert after(name="elsewhere/own.py")
    assert not after(NETWORK.replace('"relu"', '"gelu"'))
    assert not after(width=5)
    neighbor = NETWORK.replace("import keras\n", "import keras\nimport helper\n", 1)
    own("X = 1\n", "helper.py")
    first = planned(schema, tmp_path, {"a": {"architecture": own(neighbor)}}).training_keys["a"]
    own("X = 2\n", "helper.py")
    assert planned(schema, tmp_path, {"a": {"architecture": own(neighbor)}}).training_keys["a"] != first


def test_packages_next_to_the_file_are_in_its_digest(own, tmp_path):
    """Those that a module is in, and what it imports from beside it."""
    path = own("import blocks.residual\n")
    texts = {"__init__": "", "residual": "from .parts import X\nfrom . import more\n", "parts": "", "more": ""}
    for name, text in texts.items():
        own(text, f"blocks/{name}.py")
    seen = {keys.code_of_file("x", tmp_path / "own.py")}
    for name, text in texts.items():
        own(f"{text}Y = b'...', ...\n", f"blocks/{name}.py")
        seen.add(keys.code_of_file("x", tmp_path / path))
    assert len(seen) == 5


def test_a_file_that_changed_since_it_was_planned_is_refused(schema, own, tmp_path):
    path = tmp_path / "own.py"
    made_from = planned(schema, tmp_path, {"a": {"architecture": own()}}).trainings["a"]
    keys.check_code(made_from, network=path)
    own(NETWORK.replace("4", "5"))
    with pytest.raises(InputError, match="the code has changed since this job was planned"):
        keys.check_code(made_from, network=path)


DATA = np.random.default_rng(1).normal(size=(300, 16, 16, 3)).astype("float32"), np.arange(300) % 3


def train(schema, entry, checkpoint=None):
    """Return (variables, history, model) of a training of a model on noise."""
    import keras

    from ablation.training import loop, networks

    spec = specs.model_spec(completed(schema, {"a": {"epochs": 4, "batch_size": 8, **entry}}), "a")
    keras.utils.set_random_seed(1)
    train_data, val_data = images.split(*DATA, spec, 1)
    model = networks.build_network(spec, train_data[0], 3)
    if checkpoint is None:
        history = loop.train(model, spec, train_data, val_data, 1, lambda epoch: None)
    else:
        with checkpoint as state:
            history = loop.train(model, spec, train_data, val_data, 1, lambda epoch: None, state)
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)], history, model


def columns(history):
    return [(row.loss, row.accuracy, row.val_loss, row.learning_rate, row.penalty) for row in history]


REGULARIZED = NETWORK.replace("use_bias=biased", "use_bias=biased, kernel_regularizer=keras.regularizers.L2(0.01)")
CUSTOM = '''
import keras
from keras import layers, ops


class Noise(layers.Layer):
    """Noise of its own generator, and a loss of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator()

    def build(self, shape):
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x, training=False):
        if not training:
            return x * self.scale
        self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x))
        self.add_loss(0.1 * ops.square(self.scale))
        return x * self.scale + keras.random.normal(ops.shape(x), seed=self.generator)

    def set_epoch(self, epoch):
        before, self.scale.trainable = self.scale.trainable, epoch < 3
        return before != self.scale.trainable


class Block(layers.Layer):
    """A layer in a layer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.noise = Noise()

    def call(self, x, training=False):
        return self.noise(x, training=training)


def build(shape, classes):
    last = layers.Dense(classes, "softmax", dtype="float32")
    return keras.Sequential([keras.Input(shape), Block(), layers.AveragePooling2D(4), layers.Flatten(), last])
'''
EMA = {"name": "adamw", "weight_decay": 0.1, "clipnorm": 0.5, "use_ema": True, "ema_momentum": 0.9}
RESUMED = {
    "dropout and batch norm": (NETWORK, {}),
    "losses of layers": (REGULARIZED, {}),
    "a layer of one's own": (CUSTOM, {}),
    "clipping and averages": (NETWORK, {"optimizer": EMA, "schedule": "cosine_decay", "learning_rate": 0.01}),
    "averages in between": (NETWORK, {"optimizer": EMA | {"ema_overwrite_frequency": 50}, "learning_rate": 0.01}),
    "gradients of several steps": (
        NETWORK,
        {"optimizer": {"name": "lion", "gradient_accumulation_steps": 3}, "learning_rate": 0.01},
    ),
    "cutout": (NETWORK, {"cutout": 5, "flip": "random", "translation": 2}),
}


@pytest.mark.parametrize("what", RESUMED)
def test_a_training_that_was_stopped_ends_at_the_same_bits(tensorflow, schema, own, tmp_path, what):
    text, entry = RESUMED[what]
    entry = {"architecture": own(text), **entry}
    whole, history, _ = train(schema, entry)
    with pytest.raises(Interrupted):
        train(schema, entry, StopAt(tmp_path / "stopped.npz", looks=5))  # in the third epoch
    resumed, resumed_history, _ = train(schema, entry, StopAt(tmp_path / "stopped.npz", looks=0))
    again, _, _ = train(schema, entry, StopAt(tmp_path / "stopped.npz", looks=0))  # from its last state
    assert columns(resumed_history) == columns(history)
    for each in (resumed, again):
        for ours, expected in zip(each, whole, strict=True):
            np.testing.assert_array_equal(ours, expected)


COUNTING = """
import keras
from keras import layers, ops


class Gate(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="zeros")
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.steps.assign_add(1.0)
        return x * (1 + self.scale + 0.001 * ops.sin(self.steps))


def build(shape, classes):
    inputs = keras.Input(shape)
    x = layers.Conv2D(6, 3, use_bias=False)(inputs)
    x = Gate()(layers.ReLU()(layers.BatchNormalization()(x)))
    x = layers.GlobalAveragePooling2D()(layers.Dropout(0.2)(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", dtype="float32")(x))
"""


def test_sums_in_a_layer_are_the_same_bits_in_every_process(tensorflow, schema, own):
    """TensorFlow's arithmetic optimizer orders them by what is left of earlier graphs, as another process would."""
    entry = {"architecture": own(COUNTING), "optimizer": {"name": "adamw"}, "learning_rate": 0.005}
    first, *others = (columns(train(schema, entry)[1]) for _ in range(6))
    assert others == [first] * 5


EMBEDDING = """
import keras
from keras import layers, ops


class Position(layers.Layer):
    def build(self, shape):
        self.table = layers.Embedding(shape[1], shape[2])
        self.table.build()

    def call(self, x):
        return x + LOOKED_UP


def build(shape, classes):
    inputs = keras.Input(shape)
    x = layers.Conv2D(4, 8, strides=8)(inputs)
    x = layers.Flatten()(Position()(layers.Reshape((4, 4))(x)))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", dtype="float32")(x))
"""


def test_sparse_gradients_are_as_dense_ones(tensorflow, schema, own):
    """Of an embedding, which a lookup gives a sparse gradient and a product with ones a dense one."""
    weights = []
    for looked_up in ("self.table(ops.arange(4))", "ops.matmul(ops.eye(4), self.table.embeddings)"):
        path = own(EMBEDDING.replace("LOOKED_UP", looked_up))
        _, _, model = train(schema, {"architecture": path, "optimizer": "sgd", "learning_rate": 0.01, "epochs": 1})
        weights.append(model.get_weights())
    for sparse, dense in zip(*weights, strict=True):
        np.testing.assert_allclose(sparse, dense, rtol=1e-5, atol=1e-7)


def test_layers_own_losses_are_minimized_and_told_apart(tensorflow, schema, own):
    entry = {"architecture": own(REGULARIZED), "epochs": 1, "batch_size": 1000, "rates": []}
    sgd = entry | {"optimizer": {"name": "sgd"}, "decay": 0, "learning_rate": 0.1, "validation_split": 0}
    import keras

    from ablation.training import networks

    _, (row,), model = train(schema, sgd)
    spec = specs.model_spec(completed(schema, {"a": sgd}), "a")
    keras.utils.set_random_seed(1)
    twin = networks.build_network(spec, DATA[0], 3)
    kernels = [layer.kernel.numpy() for layer in twin.layers if isinstance(layer, keras.layers.Conv2D)]
    assert row.penalty == pytest.approx(sum(0.01 * np.square(kernel).sum() for kernel in kernels), rel=1e-5)
    twin.compile(twin.optimizer, "sparse_categorical_crossentropy")
    total, *_ = twin.train_on_batch(*DATA)
    assert row.loss + row.penalty == pytest.approx(total, rel=1e-5)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_averages_are_the_final_weights(tensorflow, schema, own):
    entry = {"architecture": own(), "optimizer": EMA, "learning_rate": 0.01, "epochs": 1}
    _, _, model = train(schema, entry)
    for variable, average in zip(
        model.trainable_variables, model.optimizer._model_variables_moving_average, strict=True
    ):
        np.testing.assert_array_equal(variable.numpy(), average.numpy())
    plain = entry | {"optimizer": {key: value for key, value in EMA.items() if "ema" not in key}}
    _, _, other = train(schema, plain)
    assert not np.array_equal(model.get_weights()[0], other.get_weights()[0])


REFUSED = {
    "logits": (
        'Dense(classes, activation="softmax", dtype="float32")',
        "Dense(classes)",
        "returns no probabilities, but",
    ),
    "classes": ("Dense(classes", "Dense(classes + 1", "returns (None, 4); (None, 3) is needed"),
    "shape": ("keras.Input(input_shape)", "keras.Input((16, 16, 1))", "takes (None, 16, 16, 1); (None, 16, 16, 3) is"),
    "half": ('dtype="float32"', 'dtype="float16"', "returns float16; give its last layer dtype='float32'"),
    "nothing": ("    return model", "    return None", "a functional keras.Model (got NoneType)"),
    "no input": ("keras.Sequential([keras.Input(input_shape)])", "keras.Sequential()", "has no Input: it must be"),
    "nothing to train": (
        "    return model",
        "    model.trainable = False\n    return model",
        "has nothing to train: no weight",
    ),
    "the end": ("    return model", "    raise SystemExit(0)", "own.py, line 20: SystemExit: 0"),
    "an error": ("    return model", "    return modell", "own.py, line 20: NameError: name 'modell' is not defined"),
    "a dict": (
        "    return model",
        '    return keras.Model(model.inputs, {"a": model.outputs[0]})',
        "a dict; one tensor is",
    ),
    "compiled": (
        "    return model",
        '    model.compile("sgd", "mse")\n    return model',
        "is compiled; leave that out",
    ),
    "compiled inside": (
        "    model.add(layers.Flatten())",
        "    model.add(layers.Flatten())\n    model.add(keras.Sequential([layers.ReLU()]))\n"
        '    model.layers[-1].compile("sgd", "mse")',
        "is compiled; leave that out",
    ),
    "a step of its own": (
        "    return model",
        "    class Mine(keras.Model):\n        def train_step(self, data): ...\n\n"
        "    return Mine(model.inputs, model.outputs[0])",
        "has a 'train_step' of its own, which this workflow would not call",
    ),
    "lambda": (
        "    model.add(layers.Flatten())",
        "    model.add(layers.Lambda(lambda x: 2 * x))\n    model.add(layers.Flatten())",
        "a Lambda layer has Python code, which Keras doesn't load",
    ),
    "a class that can't be found again": (
        "    model.add(layers.Flatten())",
        "    class Same(layers.Layer):\n        def call(self, x): return x\n\n"
        "    model.add(Same())\n    model.add(layers.Flatten())",
        "can't be loaded",
    ),
    "what is not saved": (
        "    model.add(layers.Flatten())",
        "    model.add(layers.ReLU())\n    model.layers[-1].call = lambda x: -x\n    model.add(layers.Flatten())",
        "computes something else once it is saved and loaded",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_model_that_gives_no_probabilities_is_one_line(tensorflow, schema, own, what):
    before, after, message = REFUSED[what]
    assert before in NETWORK
    with pytest.raises(InputError) as caught:
        train(schema, {"architecture": own(NETWORK.replace(before, after))})
    assert message in str(caught.value)
    assert str(caught.value).startswith("architecture: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ("model = keras.Sequential([keras.Input(input_shape)])", True),
        ("keras.utils.set_random_seed(time.time_ns() % 2**31)", False),
        ("rates = [np.random.default_rng().uniform(0.1, 0.6)]", False),
        ("model.add(layers.Dropout(0.5, seed=time.time_ns() % 2**31))", False),
    ],
)
def test_a_network_follows_from_the_seed(tensorflow, schema, own, line, accepted):
    import keras

    from ablation.training import networks

    first = "    model = keras.Sequential([keras.Input(input_shape)])\n"
    spec = specs.model_spec(completed(schema, {"a": {"architecture": own()}}), "a")
    own("import time\nimport numpy as np\n" + NETWORK.replace(first, f"{first}    {line}\n"))  # not read again
    keras.utils.set_random_seed(3)
    model = networks.build_network(spec, DATA[0], 3)
    drawn = np.random.random(), keras.random.uniform([2]).numpy()
    if accepted:
        networks.check_seed(model, spec, DATA[0], 3, 3)
        np.testing.assert_array_equal(np.r_[np.random.random(), keras.random.uniform([2]).numpy()], np.r_[drawn])
    else:
        with pytest.raises(InputError, match="what 'build' returns differs though the seed is the same; draw"):
            networks.check_seed(model, spec, DATA[0], 3, 3)


STATES = {
    "the generator of all": "keras.random.normal(ops.shape(x))",
    "a generator that is no attribute": "keras.random.normal(ops.shape(x), seed=GENERATORS[0])",
    "an operation of TensorFlow": "tf.random.normal(ops.shape(x))",
    "Python": "tf.reshape(tf.numpy_function(lambda x: x, [x], tf.float32), ops.shape(x))",
}


@pytest.mark.parametrize("what", STATES)
def test_state_that_no_checkpoint_has_is_refused(tensorflow, schema, own, what):
    text = CUSTOM.replace("keras.random.normal(ops.shape(x), seed=self.generator)", STATES[what])
    text = text.replace(
        "\nclass Noise", "import tensorflow as tf\n\nGENERATORS = [keras.random.SeedGenerator(1)]\n\nclass Noise"
    )
    with pytest.raises(InputError, match="the network has state that no checkpoint could save: "):
        train(schema, {"architecture": own(text)})


RAISING = {
    "while its steps are made": (
        "        self.mean.assign(",
        "        raise RuntimeError('no such thing')",
        "RuntimeError: Exception encountered when calling Noise.call(). no such thing",
    ),
    "in a step": ("        self.mean.assign(", "        tf.debugging.assert_less(x, -9.0)", "assertion failed: "),
    "between epochs": (
        "        before, self.scale",
        "        raise RuntimeError('no such thing')",
        "RuntimeError: no such thing",
    ),
    "to end the program": ("        before, self.scale", "        raise SystemExit('no more')", "SystemExit: no more"),
}


@pytest.mark.parametrize("when", RAISING)
def test_what_a_layer_raises_is_one_line(tensorflow, schema, own, when):
    before, line, message = RAISING[when]
    text = "import tensorflow as tf\n" + CUSTOM.replace(before, f"{line}\n{before}")
    number = text[: text.index(line)].count("\n") + 1
    with pytest.raises(InputError) as caught:
        train(schema, {"architecture": own(text)})
    assert f"own.py, line {number}: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Arguments received" not in str(caught.value)


def test_a_weight_that_nothing_depends_on_is_left_as_it_is(tensorflow, schema, own):
    unused = "        self.unused = self.add_weight(shape=(), initializer='ones', name='unused')\n"
    text = CUSTOM.replace("        self.mean =", f"{unused}        self.mean =")
    _, _, model = train(schema, {"architecture": own(text), "epochs": 1})
    assert [float(weight) for weight in model.weights if weight.name == "unused"] == [1]


def test_memory_that_runs_out_is_one_line(tensorflow, schema, own):
    before = "        before, self.scale"
    text = CUSTOM.replace(before, f"        raise tf.errors.ResourceExhaustedError(None, None, 'x')\n{before}")
    with pytest.raises(InputError, match="^out of memory; a smaller batch_size or fewer channels need less$"):
        train(schema, {"architecture": own("import tensorflow as tf\n" + text)})


def test_a_training_goes_on_when_its_file_is_gone(tensorflow, schema, own, monkeypatch):
    from ablation.training import loop

    path, chunks = Path(own(CUSTOM)), loop.chunk_batches
    monkeypatch.setattr(loop, "chunk_batches", lambda *given: path.unlink(missing_ok=True) or chunks(*given))
    _, history, _ = train(schema, {"architecture": str(path)})
    assert len(history) == 4
    assert not path.exists()


def test_a_saved_model_loads_with_its_file_wherever_that_is(tensorflow, schema, own, tmp_path):
    from ablation.training import networks

    _, _, model = train(schema, {"architecture": own(CUSTOM), "epochs": 1})
    model.save(tmp_path / "model.keras")
    assert set(model.evaluate(*DATA, return_dict=True, verbose=0)) == {"loss", "accuracy"}
    loaded = networks.load_model(tmp_path / "model.keras", own(CUSTOM, "moved/renamed.py"))
    np.testing.assert_array_equal(loaded(DATA[0][:5], training=False), model(DATA[0][:5], training=False))


def test_a_network_gets_the_training_images_if_it_asks(tensorflow, schema, own):
    text = NETWORK.replace("classes, *,", "classes, images, *,").replace(
        "    return model", "    model.layers[-1].bias.assign(images.mean((1, 2, 3))[:3])\n    return model"
    )
    from ablation.training import networks

    spec = specs.model_spec(completed(schema, {"a": {"architecture": own(text)}}), "a")
    assert "images" not in spec.settings
    model = networks.build_network(spec, DATA[0], 3)
    np.testing.assert_array_equal(model.layers[-1].bias.numpy(), DATA[0].mean((1, 2, 3))[:3])


def test_resnet20_has_the_paper_s_parameters(tensorflow):
    """Counted by hand: 21 kernels, of which two 1x1; scale and offset of 21 BatchNorms; the dense layer."""
    from ablation.training.networks import resnet20

    kernels = 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    channels, dense = 7 * 16 + 6 * 32 + 6 * 64, 64 * 10 + 10
    projections, all_channels = 16 * 32 + 32 * 64, 7 * 16 + 7 * 32 + 7 * 64
    for shortcut, trainable, moving in (
        ("padding", kernels + 2 * channels + dense, 2 * channels),
        (
            "projection",
            kernels + projections + 2 * all_channels + dense,
            2 * all_channels,
        ),
    ):
        model = resnet20.build((32, 32, 3), 10, shortcut=shortcut)
        counted = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        assert (counted, model.count_params()) == (trainable, trainable + moving)
        assert counted == {"padding": 269_722, "projection": 272_474}[shortcut]


def test_gray_images_and_bfloat16(tensorflow, schema):
    """The shipped networks take one channel as well; half precision ends in probabilities of float32."""
    import keras

    from ablation.training import networks

    gray = np.random.default_rng(1).random((20, 32, 32, 1), dtype="float32")
    models = {
        name: {"architecture": name, "input": "raw"} for name in ("cifar10_cnn", "airbench", "airbench96", "resnet20")
    }
    models["airbench"]["channels"] = models["airbench96"]["channels"] = [8, 8, 8]
    config = completed(schema, models)
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        for name in models:
            model = networks.build_network(specs.model_spec(config, name), gray, 3)
            np.testing.assert_allclose(model.predict(gray, verbose=0).sum(axis=1), 1, atol=1e-5)
        keras.config.set_dtype_policy("float32")


def test_a_depth_that_no_residual_network_has_is_one_line(tensorflow, schema):
    from ablation.training import networks

    spec = specs.model_spec(completed(schema, {"a": {"architecture": "resnet20", "depth": 21}}), "a")
    with pytest.raises(InputError, match="architecture: resnet20: depth must be 8, 14, 20"):
        networks.build_network(spec, DATA[0], 3)


@pytest.mark.faults
def test_in_the_workflow(tmp_path):
    """As a user has it: a file and a line; then an edit, a comment, another name."""
    checkout = Checkout(tmp_path)
    write_digits(tmp_path)
    own = tmp_path / "my/own.py"
    own.parent.mkdir()
    own.write_text(NETWORK)

    def write(path="my/own.py"):
        models = TINY["models"] | {"own": {"architecture": path, "width": 3}}
        checkout.write("config.yaml", TINY | {"models": models})

    write()
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout
    assert checkout.jobs() == set()
    record = json.loads((tmp_path / "results/runs/own/seed1/metrics.json").read_text())
    assert (record["spec"]["width"], record["spec"]["architecture"]) == (3, "my/own.py")
    assert "width 3" in (tmp_path / "results/report/accuracy.md").read_text()
    own.write_text("# A comment\n" + NETWORK)
    assert checkout.jobs() == set()
    own.write_text(NETWORK.replace("relu", "gelu"))
    assert {job for job in checkout.jobs() if job.endswith(" 1")} == {"train own 1", "evaluate own 1"}
    own.unlink()
    (tmp_path / "my/renamed.py").write_text(NETWORK)
    write("my/renamed.py")
    assert not any(job.endswith(" 1") for job in checkout.jobs())
    metrics = tmp_path / "results/runs/own/seed1/metrics.json"
    metrics.unlink()
    run = checkout.snakemake(str(metrics.relative_to(tmp_path)))
    assert run.returncode == 0, run.stdout
    assert jobs_in(run.stdout) == {"evaluate own 1"}
    assert json.loads(metrics.read_text())["predictions_digest"] == record["predictions_digest"]
    (tmp_path / "my/renamed.py").unlink()
    assert "models.own.architecture: no such file 'my/renamed.py'" in checkout.snakemake("-n").stdout


def test_specs_are_json(schema, own):
    spec = specs.model_spec(
        completed(schema, {"a": {"architecture": own(), "optimizer": EMA, "learning_rate": 0.1}}), "a"
    )
    assert specs.ModelSpec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["optimizer"]["clipnorm"] == 0.5
