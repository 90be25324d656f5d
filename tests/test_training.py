"""The loop computes what Keras's own training computes, in an order that follows from the seed."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import contender
import measure
import numpy as np
import pytest

from ablation.data.images import split, split_point
from ablation.errors import InputError
from ablation.settings import check, specs


@pytest.fixture
def spec(schema):
    config = {
        "dataset": {"name": "digits"},
        "models": {
            "small": {"channels": [4, 4, 4, 4], "batch_normalization": "before_relu", "epochs": 2, "batch_size": 8}
        },
    }
    return specs.model_spec(check.validate_and_fill(config, schema), "small")


@pytest.fixture
def modern_spec(modern_config, schema):
    spec = specs.model_spec(check.validate_and_fill(modern_config, schema), "airbench94")
    small = {"channels": (4, 8, 8), "precision": "float32", "learning_rate": 0.1, "epochs": 4, "batch_size": 8}
    return spec.replace(**small)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(50, 16, 16, 3)).astype(np.float32), rng.integers(0, 3, 50)


def run(spec, data, seed=1):
    """Train and return (weights, history)."""
    import keras

    from ablation.training import loop, networks

    keras.utils.set_random_seed(seed)
    train_data, val_data = split(*data, spec, seed)
    model = networks.build_network(spec, train_data[0], 3)
    history = loop.train(model, spec, train_data, val_data, seed, on_epoch=lambda epoch: None)
    return model.get_weights(), history


def test_steps_are_those_of_keras(tensorflow, spec, data):
    """Without dropout, in the same order of images, train_on_batch ends at the same weights."""
    import keras

    from ablation.training import networks

    spec = spec.replace(dropout=(0, 0, 0))
    weights, history = run(spec, data)

    keras.utils.set_random_seed(1)
    images, labels = data
    model = networks.build_network(spec, images[:45], 3)
    losses = []
    for epoch in (1, 2):
        order = np.random.default_rng([1, epoch]).permutation(45)
        for at in range(0, 45, 8):
            batch = order[at : at + 8]
            model.reset_metrics()
            losses.append((model.train_on_batch(images[batch], labels[batch])[0], len(batch)))
    for ours, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert int(model.optimizer.iterations) == 12  # 45 images in 6 batches, the last of 5, twice
    second = losses[6:]
    assert history[1].loss == pytest.approx(sum(loss * n for loss, n in second) / 45, rel=1e-4)
    val_loss, val_accuracy = model.evaluate(images[45:], labels[45:], verbose=0)
    assert history[1].val_loss == pytest.approx(val_loss, rel=1e-3)
    assert history[1].val_accuracy == pytest.approx(val_accuracy)


def test_without_validation_images_all_are_trained_on(tensorflow, modern_spec, data):
    weights, history = run(modern_spec, data)
    assert all(np.isnan(row.val_loss) and np.isnan(row.val_accuracy) for row in history)
    images, labels = data
    changed = images.copy()
    changed[-1] = 0
    assert any(not np.array_equal(a, b) for a, b in zip(run(modern_spec, (changed, labels))[0], weights, strict=True))


def test_a_training_shorter_than_lookahead_is_one_line(tensorflow, modern_spec, data):
    """50 images in batches of 8: 28 steps in 4 epochs."""
    run(modern_spec.replace(lookahead=28), data)
    with pytest.raises(InputError, match="lookahead: 29 is more than the 28 steps of the training"):
        run(modern_spec.replace(lookahead=29), data)


def test_lookahead_once_at_the_end_is_part_of_the_way(tensorflow, modern_spec, data):
    """With as many steps between two averages as there are, it moves from the first weights to the last ones once."""
    import keras

    from ablation.training import networks

    keras.utils.set_random_seed(1)
    train_data, _ = split(*data, modern_spec, 1)
    before = networks.build_network(modern_spec, train_data[0], 3).get_weights()
    plain, _ = run(modern_spec.replace(lookahead=0), data)
    averaged, _ = run(modern_spec.replace(lookahead=28), data)
    for ours, first, last in zip(averaged, before, plain, strict=True):
        np.testing.assert_allclose(ours, first + (1 - 0.95**28) * (last - first), rtol=1e-5, atol=1e-6)


def test_modern_steps_are_those_of_keras(tensorflow, modern_spec, data):
    """Without Lookahead, and the images moved beforehand, train_on_batch with Keras's loss ends at the same weights."""
    import keras

    from ablation.training import augmentation, networks

    spec = modern_spec.replace(lookahead=0, epochs=2)
    weights, _ = run(spec, data)
    keras.utils.set_random_seed(1)
    images, labels = data
    ours = networks.build_network(spec, images, 3)
    model = keras.Sequential(ours.layers)
    model.compile(ours.optimizer, keras.losses.CategoricalCrossentropy(label_smoothing=spec.label_smoothing))
    for epoch in (1, 2):
        order = np.random.default_rng([1, epoch]).permutation(50)
        offsets = augmentation.sample_augmentation(spec, 1, epoch, 50)
        for at in range(0, 50, 8):
            batch = order[at : at + 8]
            augmented = augmentation.translate_and_flip(images[batch], offsets[batch]).numpy()
            model.train_on_batch(augmented, keras.utils.to_categorical(labels[batch], 3))
    for here, there in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-3, atol=1e-4)


def test_validation_images_are_the_last_ones_or_drawn_by_the_seed(tensorflow, spec, data):
    """Drawn ones are the last of a permutation by the seed; and what validates is not trained on, as NaN shows."""
    images, labels = data
    by_seed = spec.replace(validation_images="by_seed", epochs=1)
    last = spec.replace(epochs=1)
    for seed in (1, 2):
        shuffled = np.random.default_rng([seed, 0]).permutation(50)
        weights, history = run(last, (images[shuffled], labels[shuffled]), seed)
        drawn_weights, drawn_history = run(by_seed, data, seed)
        for a, b in zip(weights, drawn_weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert history[0].val_loss == drawn_history[0].val_loss
    poisoned = images.copy()
    poisoned[45:] = np.nan
    _, (epoch,) = run(last, (poisoned, labels))
    assert np.isfinite(epoch.loss)
    with pytest.raises(InputError, match="the loss is nan"):
        run(by_seed, (poisoned, labels))


def test_layers_with_a_schedule_are_told_the_epoch(tensorflow, spec, data):
    """Any layer with set_epoch, not only PatchWhitening; what it freezes is not trained from then on."""
    import keras

    from ablation.training import loop, networks

    class FrozenScale(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, inputs):
            return inputs * self.scale

        def set_epoch(self, epoch):
            values.append(float(self.scale))
            before, self.scale.trainable = self.scale.trainable, epoch < 3
            return before != self.scale.trainable

    values = []
    images, labels = data
    network = networks.build_network(spec, images, 3)
    model = keras.Sequential([keras.Input(images.shape[1:]), FrozenScale(), *network.layers])
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    model.optimizer.build(model.trainable_variables)
    loop.train(model, spec.replace(epochs=4), data, (images[:0], labels[:0]), 1, on_epoch=lambda epoch: None)
    assert len(values) == 4
    assert values[0] == 1 != values[1] != values[2]
    assert values[2] == values[3] == float(model.layers[0].scale)


def test_history(tensorflow, spec, data):
    _, history = run(spec, data)
    assert [row.epoch for row in history] == [1, 2]
    assert history[0].learning_rate == pytest.approx(1 / (1 + 1e-4 * 6))
    assert all(0 <= row.accuracy <= 1 and row.loss > 0 and row.seconds > 0 for row in history)


def test_loss_and_accuracy_of_an_epoch_are_those_of_its_images(tensorflow, spec, data):
    """Of a network that hardly learns they are what the first weights give."""
    import keras

    from ablation.training import networks

    spec = spec.replace(batch_normalization=None, dropout=(0.0, 0.0, 0.0), learning_rate=1e-12)
    _, (first, second) = run(spec, data)
    keras.utils.set_random_seed(1)
    (images, labels), _ = split(*data, spec, 1)
    probabilities = networks.build_network(spec, images, 3)(images, training=False).numpy()
    for epoch in (first, second):
        assert epoch.accuracy == np.mean(probabilities.argmax(axis=1) == labels)
        assert epoch.loss == pytest.approx(-np.log(probabilities[np.arange(len(labels)), labels]).mean(), rel=1e-5)


def test_a_seed_decides_everything(tensorflow, spec, data):
    (once, history), (again, same_history), (other, _) = run(spec, data), run(spec, data), run(spec, data, seed=2)
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [row.loss for row in history] == [row.loss for row in same_history]
    assert not np.array_equal(once[0], other[0])


@pytest.mark.parametrize("augmentation", [{"flip": "random"}, {"translation": 1}])
def test_each_augmentation_is_applied_without_the_other(tensorflow, spec, data, augmentation):
    spec = spec.replace(epochs=1)
    assert not np.array_equal(run(spec, data)[0][0], run(spec.replace(**augmentation), data)[0][0])


def test_validation_images_are_never_trained_on(tensorflow, spec, data):
    images, labels = data
    poisoned = images.copy()
    poisoned[45:] = 1e3
    for a, b in zip(run(spec, data)[0], run(spec, (poisoned, labels))[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loss_that_is_no_number_stops(tensorflow, spec, data):
    images, labels = data
    images = images.copy()
    images[0] = np.nan
    with pytest.raises(InputError, match="the loss is nan in epoch 1"):
        run(spec, (images, labels))


def test_a_split_that_leaves_nothing(tensorflow):
    assert split_point(50_000, 0.1) == 45_000
    assert split_point(50_000, 0) == 50_000
    for fraction in (0.6, 1e-17):
        with pytest.raises(InputError, match="leaves one part empty"):
            split_point(2, fraction)


@pytest.fixture(scope="module")
def as_on_a_gpu():
    """A process, the same for all tests here, whose TensorFlow is not deterministic."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        yield process


@pytest.mark.parametrize("recipe", ["cifar10_cnn", "airbench"])
def test_steps_compile_for_a_gpu(as_on_a_gpu, spec, modern_spec, data, recipe):
    """XLA, which compiles the steps on a GPU, takes every operation and computes the same.

    Muon is stochastic gradient descent for all but kernels, so that it has the operations of both.
    """
    gentle = {"learning_rate": 0.01, "bias_factor": 1.0}  # so that differences of rounding stay small
    muon = {"optimizer": "muon", "kernel_learning_rate": 0.01, "kernel_momentum": 0.6, "newton_schulz_steps": 3}
    spec = {"cifar10_cnn": spec.replace(dropout=(0, 0, 0)), "airbench": modern_spec.replace(**gentle, **muon)}[recipe]
    plain, compiled = as_on_a_gpu.submit(an_epoch_each_way, spec.to_json(), *data).result()
    for ours, expected in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


def an_epoch_each_way(spec, images, labels):
    """Return [losses, correct predictions, *weights] after an epoch without XLA and one with it, not deterministic."""
    import keras
    import tensorflow

    from ablation.training import loop, networks
    from ablation.training.optimizers.lookahead import Lookahead

    spec, results = specs.ModelSpec.from_json(spec), []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(1)
        model = networks.build_network(spec, images, 3)
        lookahead = Lookahead(model.variables, 2, 14)
        steps = loop.make_train_steps(
            model, spec, lookahead, tensorflow.constant(images), tensorflow.constant(labels, "int32"), jit_compile
        )
        calls = loop.chunk_batches(loop.epoch_order(spec, 1, 1, 50), 8)
        sums = np.sum([list(map(float, steps(call))) for call in calls], axis=0)
        results.append([*sums, *model.get_weights()])
    return results


def test_the_benchmarks_time_this_loop(tensorflow, monkeypatch):
    from ablation.training import devices

    monkeypatch.setattr(devices, "start_tensorflow", lambda device, threads: None)
    spec = json.loads(measure.study_spec("model2").replace(channels=[4, 4, 4, 4], batch_size=8).to_json())
    epoch = contender.this_workflow(SimpleNamespace(**spec), "float32", 1, 16)
    assert 0 < epoch() < 60


def test_dropout_compiles_for_a_gpu(tensorflow):
    from ablation.training.layers import FastDropout

    layer = FastDropout(0.25, seed=1)
    compiled = tensorflow.function(lambda x: layer(x, training=True), jit_compile=True)
    kept = compiled(tensorflow.ones([64, 33])).numpy() > 0
    assert kept.mean() == pytest.approx(0.75, abs=0.04)
