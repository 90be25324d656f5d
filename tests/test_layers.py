"""Layers are Keras's, computed another way; the fused BatchNorm differs in the unbiased moving variance."""

import numpy as np
import pytest

from ablation.errors import InputError

rng = np.random.default_rng(1)
GAMMA, BETA, MEAN, VARIANCE = WEIGHTS = np.stack(
    [rng.uniform(0.5, 2, 6), rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 2, 6)]
).astype("float32")


@pytest.fixture
def pair(tensorflow):
    """The fused layer and Keras's own, with the same weights."""
    import keras

    from ablation.training.layers import FusedBatchNormalization

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


def test_a_frozen_batch_normalization_is_in_inference(pair, images):
    """As Keras has it: what is not trainable normalizes by its moving statistics, and leaves them."""
    for layer in pair:
        layer.trainable = False
    ours, theirs = pair
    np.testing.assert_allclose(ours(images, training=True), theirs(images, training=True), rtol=1e-4, atol=2e-5)
    np.testing.assert_array_equal(ours.get_weights(), WEIGHTS)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_convolution_is_keras_own(tensorflow, activation):
    import keras

    from ablation.training.layers import FastConv2D

    rng = np.random.default_rng(3)
    images = rng.normal(size=(4, 9, 8, 3)).astype("float32")
    weights = [rng.normal(size=(3, 3, 3, 5)).astype("float32"), rng.normal(size=5).astype("float32")]
    results = []
    for layer in (FastConv2D(5, 3, activation=activation), keras.layers.Conv2D(5, 3, activation=activation)):
        layer.build(images.shape)
        layer.set_weights(weights)
        x = tensorflow.Variable(images)
        with tensorflow.GradientTape() as tape:
            outputs = layer(x)
            loss = tensorflow.reduce_sum(tensorflow.sin(outputs))
        results.append([outputs, *tape.gradient(loss, [x, layer.kernel.value, layer.bias.value])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("shape", "rate"), [((100, 10, 10, 3), 0.25), ((33, 33), 0.5)])
def test_dropout_keeps_the_fraction_it_should(tensorflow, shape, rate):
    from ablation.training.layers import FastDropout

    layer = FastDropout(rate, seed=1)
    x = tensorflow.Variable(np.full(shape, 3, "float32"))
    with tensorflow.GradientTape() as tape:
        outputs = layer(x, training=True)
    dropped = outputs.numpy() == 0
    assert dropped.mean() == pytest.approx(rate, abs=4 * (rate * (1 - rate) / dropped.size) ** 0.5)
    np.testing.assert_allclose(outputs.numpy()[~dropped], 3 / (1 - rate), rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(outputs, x), np.where(dropped, 0, 1 / (1 - rate)), rtol=1e-6)
    assert not np.array_equal(layer(x, training=True).numpy() == 0, dropped)
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_dropout_at_a_rate_next_to_1(tensorflow):
    from ablation.training.layers import FastDropout

    outputs = FastDropout(0.999995, seed=1)(np.ones((1000, 200), "float32"), training=True).numpy()
    assert set(np.unique(outputs)) <= {0, 2**16}  # at most 65,535 / 65,536 are dropped
    assert (outputs > 0).mean() == pytest.approx(2**-16, abs=4 * (2**-16 / outputs.size) ** 0.5)


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("FusedBatchNormalization", [], {"axis": 1}),
        ("FusedBatchNormalization", [], {"center": False}),
        ("FusedBatchNormalization", [], {"synchronized": True}),
        ("FastConv2D", [4, 3], {"strides": 2}),
        ("FastConv2D", [4, 3], {"dilation_rate": (1, 2)}),
        ("FastConv2D", [4, 3], {"groups": 2}),
        ("FastConv2D", [4, 3], {"data_format": "channels_first"}),
        ("FastDropout", [0.5], {"noise_shape": (None, 1)}),
    ],
)
def test_arguments_that_a_layer_lacks_are_refused(tensorflow, name, arguments, options):
    from ablation.training import layers

    (option,) = options
    with pytest.raises(InputError, match=f"{name}: {option}=.* is not supported; use Keras's own layer"):
        getattr(layers, name)(*arguments, **options)


def test_channels_last_by_its_number_is_taken(tensorflow):
    from ablation.training.layers import FusedBatchNormalization

    assert FusedBatchNormalization(axis=3).axis == 3


def test_dropout_draws_from_its_seed(tensorflow):
    from ablation.training.layers import FastDropout

    x = np.ones((50, 20), "float32")
    first, same, other = (FastDropout(0.5, seed=seed)(x, training=True).numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_mixed_precision_computes_in_bfloat16_and_keeps_the_rest_in_float32(tensorflow, schema):
    import keras

    from ablation.settings import check, specs
    from ablation.training import networks

    models = {"a": {"batch_normalization": "before_relu", "channels": [4, 4, 4, 4]}}
    spec = specs.model_spec(check.validate_and_fill({"dataset": {"name": "digits"}, "models": models}, schema), "a")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = networks.build_network(spec, np.zeros((100, 16, 16, 3), "float32"), 3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in model.layers[:-1]} == {"bfloat16"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    x = np.random.default_rng(1).normal(size=(8, 16, 16, 3)).astype("float32")
    assert model(x, training=True).dtype == "float32"
    assert model.layers[0](x).dtype == "bfloat16"


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("images", [3, 130])  # IMAGES_AT_ONCE is 64
@pytest.mark.parametrize("size", [2, 3])
def test_kernel_gradient_is_tensorflows(tensorflow, padding, images, size):
    from ablation.training.layers import kernel_gradient

    rng = np.random.default_rng(1)
    inputs, kernel = rng.normal(size=(images, 7, 6, 4)), rng.normal(size=(size, size, 4, 5))
    inputs, kernel = tensorflow.constant(inputs, "float32"), tensorflow.constant(kernel, "float32")
    outputs = tensorflow.nn.conv2d(inputs, kernel, 1, padding)
    upstream = tensorflow.constant(rng.normal(size=outputs.shape), "float32")
    expected = tensorflow.raw_ops.Conv2DBackpropFilter(
        input=inputs, filter_sizes=kernel.shape, out_backprop=upstream, strides=[1, 1, 1, 1], padding=padding
    )
    np.testing.assert_allclose(kernel_gradient(inputs, upstream, kernel.shape, padding), expected, rtol=1e-4, atol=1e-3)


def test_a_wide_convolution_in_bfloat16_is_that_in_float32(tensorflow, monkeypatch):
    """As far as bfloat16's eight bits go, by way of `kernel_gradient`, which no other convolution takes."""
    import keras

    from ablation.training import layers
    from ablation.training.layers import FastConv2D, kernel_gradient

    taken = []
    monkeypatch.setattr(layers, "kernel_gradient", lambda *given: taken.append(given[2]) or kernel_gradient(*given))

    images = np.random.default_rng(1).normal(size=(70, 5, 5, 128)).astype("float32")
    kernel = np.random.default_rng(2).normal(size=(3, 3, 128, 128)).astype("float32") / 34
    results = []
    for layer in (
        FastConv2D(128, 3, padding="same", use_bias=False, dtype="mixed_bfloat16"),
        keras.layers.Conv2D(128, 3, padding="same", use_bias=False),
    ):
        layer.build(images.shape)
        layer.set_weights([kernel])
        x = tensorflow.Variable(images)
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_sum(tensorflow.cast(layer(x), "float32") ** 2)
        results.append(tape.gradient(loss, [x, layer.kernel.value]))
    for ours, expected in zip(*results, strict=True):
        assert np.linalg.norm(ours - expected) < 0.01 * np.linalg.norm(expected)
    for filters, policy in ((127, "mixed_bfloat16"), (128, "float32")):
        layer = FastConv2D(filters, 3, padding="same", dtype=policy)
        layer.build(images.shape)
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_sum(layer(images[:2]))
        tape.gradient(loss, layer.kernel.value)
    assert taken == [(3, 3, 128, 128)]


def test_gelu_and_its_gradient(tensorflow):
    from ablation.training.networks.airbench import SigmoidGelu

    x = tensorflow.Variable(np.linspace(-6, 6, 101, dtype="float32"))
    with tensorflow.GradientTape() as ours, tensorflow.GradientTape() as expected:
        outputs, by_formula = SigmoidGelu()(x), x * tensorflow.sigmoid(1.702 * x)
    np.testing.assert_allclose(outputs, by_formula, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.gradient(outputs, x), expected.gradient(by_formula, x), rtol=1e-4, atol=1e-5)
    assert SigmoidGelu(dtype="mixed_bfloat16")(x).dtype == tensorflow.bfloat16


def test_a_batch_normalization_without_scale_is_keras_own(images):
    import keras

    from ablation.training.layers import FusedBatchNormalization

    ours, theirs = FusedBatchNormalization(scale=False), keras.layers.BatchNormalization(scale=False)
    np.testing.assert_allclose(ours(images, training=True), theirs(images, training=True), rtol=1e-4, atol=1e-4)
    assert ours.beta.is_batch_norm_offset  # the optimizer "sgd" reads it


def test_the_bias_of_the_patch_whitening_is_frozen_after_its_epochs(tensorflow):
    from ablation.training.networks.airbench import PatchWhitening

    layer = PatchWhitening(24, 2)
    layer.build((None, 8, 8, 3))
    assert [layer.set_epoch(epoch) for epoch in (1, 2, 3, 4, 5)] == [False, False, False, True, False]
    assert layer.trainable_weights == []
