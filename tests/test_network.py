"""The seven networks are the notebook's, the modern one is the paper's."""

import numpy as np
import pytest

from ablation.errors import InputError
from ablation.settings import check, specs

PARAMETERS = {  # trainable, non-trainable: counted by hand from the notebook's layers
    "model2": (918_090, 0),
    "model3": (1_884_874, 0),
    "model4": (438_890, 64),
    "model5": (918_346, 256),
    "model6": (918_538, 448),
    "model7": (1_885_578, 704),
    "model8": (1_885_578, 704),
}
BLOCK = ["FastConv2D", "ReLU", "FastConv2D", "ReLU", "MaxPooling2D", "FastDropout"]
NORMALIZED_BLOCK = ["FastConv2D", "BN", "ReLU", "FastConv2D", "BN", "ReLU", "MaxPooling2D", "FastDropout"]
HEAD = ["Flatten", "Dense", "FastDropout", "Dense"]
LAYERS = {
    "none": [*BLOCK, *BLOCK, *HEAD],
    "after_first_dropout": [*BLOCK, "BN", *BLOCK, *HEAD],
    "before_pool": [*BLOCK[:4], "BN", *BLOCK[4:], *BLOCK[:4], "BN", *BLOCK[4:], *HEAD],
    "before_relu": [*NORMALIZED_BLOCK, *NORMALIZED_BLOCK, *HEAD],
}


def images_of(n):
    """Return n smooth random images, whose pixels are alike where they are neighbours."""
    noise = np.random.default_rng(1).random((n, 9, 9, 3), dtype=np.float32)
    return noise.repeat(4, axis=1).repeat(4, axis=2)[:, :32, 1:33]


@pytest.fixture
def build(tensorflow, shipped_config, schema):
    from ablation.training import networks

    config = check.validate_and_fill(shipped_config, schema)
    return lambda name: networks.build_network(specs.model_spec(config, name), images_of(100), 10)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_the_seven_models(build, name):
    model = build(name)
    trainable = sum(weight.value.shape.num_elements() for weight in model.trainable_weights)
    assert (trainable, model.count_params() - trainable) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "where"),
    [("model2", "none"), ("model4", "after_first_dropout"), ("model5", "before_pool"), ("model7", "before_relu")],
)
def test_layers_stand_where_the_notebook_has_them(build, name, where):
    layers = [type(layer).__name__.replace("FusedBatchNormalization", "BN") for layer in build(name).layers]
    assert layers == LAYERS[where]


def test_settings_reach_the_layers(build):
    model = build("model4")
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "FastDropout"] == [0.5, 0.5, 0.5]
    assert [layer.filters for layer in model.layers if type(layer).__name__ == "FastConv2D"] == [16, 32, 32, 32]
    (normalization,) = [layer for layer in model.layers if "Normalization" in type(layer).__name__]
    assert (normalization.momentum, normalization.epsilon) == (0.99, 1e-3)


def test_a_saved_model_trains_on_as_if_never_saved(tensorflow, shipped_config, schema, tmp_path):
    """Weights, moving statistics, Adadelta's accumulators and the learning rate's position are all in the file."""
    import keras

    from ablation.training import networks

    config = check.validate_and_fill(shipped_config | {"defaults": {"dropout": [0, 0, 0], "decay": 0.01}}, schema)
    images = np.random.default_rng(1).random((60, 32, 32, 3), dtype=np.float32)
    labels = np.arange(60) % 10

    def train(model, batches):
        for at in batches:
            model.train_on_batch(images[at : at + 10], labels[at : at + 10])
        return model

    keras.utils.set_random_seed(1)
    straight = train(networks.build_network(specs.model_spec(config, "model6"), images, 10), range(0, 60, 10))
    keras.utils.set_random_seed(1)
    half = train(networks.build_network(specs.model_spec(config, "model6"), images, 10), range(0, 30, 10))
    half.save(tmp_path / "model.keras")
    resumed = train(keras.models.load_model(tmp_path / "model.keras"), range(30, 60, 10))
    assert float(resumed.optimizer.learning_rate) == pytest.approx(1 / 1.06)
    for ours, expected in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_saved_model_loads_and_evaluates_like_any_keras_model(build, tmp_path):
    import keras

    model = build("model6")
    images, labels = np.random.default_rng(1).random((20, 32, 32, 3), dtype=np.float32), np.arange(20) % 10
    model.fit(images, labels, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(images, labels, verbose=0) == pytest.approx(model.evaluate(images, labels, verbose=0))
    assert int(loaded.optimizer.iterations) == 1


@pytest.fixture
def airbench(tensorflow, modern_config, schema):
    import keras

    from ablation.training import networks

    spec = specs.model_spec(check.validate_and_fill(modern_config, schema), "airbench94")
    keras.utils.set_random_seed(1)
    return lambda images=None, **changes: networks.build_network(
        spec.replace(precision="float32", **changes), images_of(200) if images is None else images, 10
    )


def test_an_unknown_architecture_is_an_error(airbench):
    with pytest.raises(InputError, match="architecture: there is no 'airbnch'; did you mean 'airbench'. allowed"):
        airbench(architecture="airbnch")


def test_parameters_of_the_modern_network(airbench):
    """Counted by hand: 24 biases, six 3x3 convolutions and their BatchNorm biases, 10 x 256; fixed are the first
    kernel and moving statistics."""
    model = airbench()
    convolutions = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    biases = 2 * (64 + 256 + 256)
    assert sum(weight.value.shape.num_elements() for weight in model.trainable_weights) == (
        24 + convolutions + biases + 2560
    )
    fixed = sum(weight.value.shape.num_elements() for weight in model.non_trainable_weights)
    assert fixed == 2 * 2 * 3 * 24 + 2 * biases


def test_the_optimizer_knows_the_offsets_of_batch_normalization(airbench, tmp_path):
    """Those of the model, in a loaded one too, and no others that bear the name."""
    import keras

    from ablation.training.optimizers.sgd import NesterovSGD

    model = airbench()
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        expected = [64.0 if variable.name == "beta" else 1.0 for variable in each.trainable_variables]
        assert expected.count(64.0) == 6
        assert each.optimizer._factors == expected
    other = NesterovSGD(0.1, 0.9, l2_penalty=0.0, bias_factor=64.0)
    other.build([keras.Variable(np.zeros(3), name="beta")])
    assert other._factors == [1.0]


def test_constants_are_the_paper_s(airbench):
    """Section 3 and listing 4, but BatchNorm's epsilon, which is cuDNN's least."""
    layers = airbench().layers
    configs = [layer.get_config() for layer in layers]
    normalizations = [config for config in configs if "momentum" in config]
    assert {(each["momentum"], each["epsilon"], each["scale"]) for each in normalizations} == {(0.6, 1e-5, False)}
    (rescaling,) = [config for config in configs if "offset" in config]
    assert (rescaling["scale"], rescaling["offset"]) == (pytest.approx(1 / 9), 0)
    convolutions = [config for config in configs if "kernel_size" in config]
    assert [(each["filters"], each["kernel_size"], each["padding"], each["use_bias"]) for each in convolutions] == [
        (24, (2, 2), "valid", True),
        *((filters, (3, 3), "same", False) for filters in (64, 64, 256, 256, 256, 256)),
    ]
    assert {config["pool_size"] for config in configs if "pool_size" in config} == {(2, 2)}
    assert layers[-3].use_bias is False


def test_layers_stand_where_the_paper_has_them(airbench):
    layers = [type(layer).__name__.replace("FusedBatchNormalization", "BN") for layer in airbench().layers[1:]]
    block = ["FastConv2D", "MaxPooling2D", "BN", "SigmoidGelu", "FastConv2D", "BN", "SigmoidGelu"]
    first = ["Normalization", "PatchWhitening", "SigmoidGelu"]
    assert layers == [*first, *block, *block, *block, "GlobalMaxPooling2D", "Dense", "Rescaling", "Softmax"]


def test_the_network_for_96_percent(airbench):
    """A third convolution in each block, and a shortcut from the first GELU to before the last; parameters counted by
    hand."""
    model = airbench(architecture="airbench96", channels=(128, 384, 512))
    convolutions = 9 * (24 * 128 + 128 * 384 + 384 * 512 + 2 * (128**2 + 384**2 + 512**2))
    biases = 3 * (128 + 384 + 512)
    trained = sum(weight.value.shape.num_elements() for weight in model.trainable_weights)
    assert (trained, model.count_params() - trained) == (24 + convolutions + biases + 5120, 288 + 2 * biases)
    names = [type(layer).__name__.replace("FusedBatchNormalization", "BN") for layer in model.layers]
    block = ["FastConv2D", "MaxPooling2D", "BN", "SigmoidGelu", "FastConv2D", "BN", "SigmoidGelu", "FastConv2D", "BN"]
    assert names[4:-4] == [*block, "Add", "SigmoidGelu"] * 3
    for number, name in enumerate(names):
        if name == "Add":
            around, inside = model.layers[number - 6], model.layers[number - 1]
            assert [id(each) for each in model.layers[number].input] == [id(around.output), id(inside.output)]
    assert {layer.momentum for layer in model.layers if hasattr(layer, "momentum")} == {0.9}
    small, images = airbench(architecture="airbench96", channels=(4, 8, 8)), images_of(20)
    before = small.get_weights()
    small.train_on_batch(images, np.arange(20) % 10)
    changed = [not np.array_equal(old, new) for old, new in zip(before, small.get_weights(), strict=True)]
    assert np.isfinite(small.predict(images, verbose=0)).all()
    assert changed == [variable.name != "kernel" or variable.trainable for variable in small.weights]


def test_the_first_layer_whitens_patches(airbench):
    """Its first twelve outputs are uncorrelated over patches, of variance 1 where epsilon is small beside it; the
    others are their negatives."""
    model = airbench()
    outputs = model.layers[2](model.layers[1](images_of(200))).numpy().reshape(-1, 24).astype("float64")
    np.testing.assert_allclose(outputs[:, 12:], -outputs[:, :12], atol=1e-5)
    covariance = outputs[:, :12].T @ outputs[:, :12] / len(outputs)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=2e-3)
    np.testing.assert_allclose(np.diag(covariance), 1, atol=0.05)


def test_a_channel_without_any_variation_is_whitened_to_nothing(airbench):
    without_blue = images_of(50) * np.float32([1, 1, 0])
    assert np.isfinite(airbench(without_blue).predict(without_blue, verbose=0)).all()


def test_a_saved_modern_model_loads_as_it_was(airbench, tmp_path):
    import keras

    from ablation.training import networks

    model = airbench()
    images = images_of(20)
    model.fit(images, np.arange(20) % 10, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for_inference = networks.load_model(tmp_path / "model.keras", "airbench")
    for each in (loaded, for_inference):
        np.testing.assert_array_equal(each.predict(images, verbose=0), model.predict(images, verbose=0))
    assert len(loaded.trainable_weights) == len(model.trainable_weights)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()


def test_a_learned_first_layer_is_trained(airbench):
    layer = airbench(first_layer="learned").layers[2]
    assert type(layer).__name__ == "FastConv2D"
    assert len(layer.trainable_weights) == 2


def test_filters_start_as_the_identity_as_far_as_there_are_channels(airbench):
    first, second, *_ = [layer.kernel.numpy() for layer in airbench().layers if type(layer).__name__ == "FastConv2D"]
    identity = np.zeros((3, 3, 64, 64))
    identity[1, 1] = np.eye(64)
    np.testing.assert_array_equal(second, identity)
    np.testing.assert_array_equal(first[1, 1, :, :24], np.eye(24))
    assert np.abs(first[..., 24:]).max() <= 1 / np.sqrt(9 * 24)
    assert first[..., 24:].std() == pytest.approx(1 / np.sqrt(3 * 9 * 24), rel=0.05)
