"""Flips and translations are those sampled, and what is sampled follows from the seed."""

import numpy as np
import pytest

from ablation.settings import check, specs


@pytest.fixture
def spec(modern_config, schema):
    return specs.model_spec(check.validate_and_fill(modern_config, schema), "airbench94")


def test_images_are_cropped_from_a_reflected_border_then_flipped(tensorflow):
    from ablation.training.augmentation import translate_and_flip

    rng = np.random.default_rng(1)
    images = rng.normal(size=(60, 9, 7, 3)).astype("float32")
    offsets = np.column_stack([rng.integers(2, size=60), rng.integers(-3, 4, size=(60, 2))]).astype("int32")
    for image, (flip, down, right), ours in zip(
        images, offsets, translate_and_flip(images, offsets).numpy(), strict=True
    ):
        bordered = np.pad(image, [(3, 3), (3, 3), (0, 0)], mode="reflect")
        cropped = bordered[3 - down : 12 - down, 3 - right : 10 - right]
        np.testing.assert_array_equal(ours, cropped[:, ::-1] if flip else cropped)


def test_alternating_flips_show_every_image_both_ways_in_any_two_epochs(tensorflow, spec):
    from ablation.training.augmentation import sample_augmentation

    flips = np.stack([sample_augmentation(spec, seed=1, epoch=epoch, n=1000)[:, 0] for epoch in (1, 2, 3, 4)])
    np.testing.assert_array_equal(flips[:-1] + flips[1:], 1)
    assert 400 < flips[0].sum() < 600


def test_random_flips_are_sampled_again_in_every_epoch(tensorflow, spec):
    from ablation.training.augmentation import sample_augmentation

    first, second = (
        sample_augmentation(spec.replace(flip="random"), seed=1, epoch=epoch, n=1000)[:, 0] for epoch in (1, 2)
    )
    assert 400 < (first == second).sum() < 600
    assert not sample_augmentation(spec.replace(flip="none"), seed=1, epoch=1, n=1000)[:, 0].any()


def test_translations_are_even_over_all_places_up_to_the_setting(tensorflow, spec):
    from ablation.training.augmentation import sample_augmentation

    shifts = sample_augmentation(spec, seed=1, epoch=1, n=5000)[:, 1:3]
    values, counts = np.unique(shifts, return_counts=True)
    assert list(values) == [-2, -1, 0, 1, 2]
    assert counts.min() > 1800
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.05
    assert not sample_augmentation(spec.replace(translation=0), seed=1, epoch=1, n=100)[:, 1:].any()


def test_a_seed_and_an_epoch_decide(tensorflow, spec):
    from ablation.training.augmentation import sample_augmentation

    def sample(seed, epoch):
        return sample_augmentation(spec, seed, epoch, 100)

    np.testing.assert_array_equal(sample(1, 2), sample(1, 2))
    assert not np.array_equal(sample(1, 2), sample(2, 2))
    assert not np.array_equal(sample(1, 2)[:, 1:], sample(1, 4)[:, 1:])


def test_what_is_sampled_is_so_on_every_machine(tensorflow, spec):
    """Flip, pixels down and right, center: from streams of their own, which no other version may exchange."""
    from ablation.training.augmentation import sample_augmentation

    spec = spec.replace(cutout=4, flip="random")
    assert sample_augmentation(spec, seed=1, epoch=2, n=3).tolist() == [
        [1, 1, 2, 63177, 43940],
        [1, 2, 0, 57168, 7275],
        [0, -2, 2, 32306, 33522],
    ]
    alternating = sample_augmentation(spec.replace(flip="alternating"), seed=1, epoch=2, n=3)
    assert alternating[:, 0].tolist() == [0, 1, 1]


def test_loss_and_accuracy_are_means_over_images(tensorflow):
    from ablation.training import evaluation

    probabilities = np.float32([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    loss, accuracy = evaluation.loss_and_accuracy(probabilities, np.array([0, 1, 1]))
    assert loss == pytest.approx(-np.log([0.5, 0.8, 0.2]).mean(), rel=1e-5)
    assert accuracy == pytest.approx(2 / 3)


@pytest.mark.parametrize("batch", [500, 2])
def test_the_logits_of_views_are_averaged_by_their_weights(tensorflow, monkeypatch, batch):
    """Of a model whose two logits are the upper left pixel's red and green, in which every view shows another pixel."""
    from ablation.training import evaluation
    from ablation.training.augmentation import VIEWS

    class Corner:
        input_shape = (None, 4, 5, 3)

        def __call__(self, images, training):
            assert training is False
            return tensorflow.nn.softmax(images[:, 0, 0, :2])

    def softmax(logits):
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    monkeypatch.setattr(evaluation, "EVAL_BATCH_SIZE", batch)
    images = np.random.default_rng(1).normal(size=(3, 4, 5, 3)).astype("float32")
    upright, mirrored = images[..., :2], images[:, :, ::-1, :2]
    expected = {
        "none": upright[:, 0, 0],
        "flip": (upright[:, 0, 0] + mirrored[:, 0, 0]) / 2,
        "flip_and_translate": sum(view[:, 0, 0] / 4 + view[:, 1, 1] / 4 for view in (upright, mirrored)),
    }
    diagonal = {(flip, pixels, pixels): 1 / 8 for flip in (0, 1) for pixels in (-1, 1)}
    assert {  # flip, pixels down and to the right
        "none": {(0, 0, 0): 1},
        "flip": {(0, 0, 0): 1 / 2, (1, 0, 0): 1 / 2},
        "flip_and_translate": {(0, 0, 0): 1 / 4, (1, 0, 0): 1 / 4, **diagonal},
    } == VIEWS
    for setting in VIEWS:
        views = evaluation.predict_views(evaluation.make_predict_fn(Corner()), images, setting)
        np.testing.assert_allclose(evaluation.average_views(views, setting), softmax(expected[setting]), rtol=1e-5)
        np.testing.assert_allclose(evaluation.average_views(views, "none"), softmax(upright[:, 0, 0]), rtol=1e-6)


def test_averages_of_saturated_probabilities_are_finite(tensorflow):
    from ablation.training import evaluation
    from ablation.training.augmentation import HFLIP, IDENTITY

    sure = np.array([[1, 0, 0]], dtype="float32")
    result = evaluation.average_views({IDENTITY: sure, HFLIP: sure[:, ::-1]}, "flip")
    np.testing.assert_allclose(result, [[0.5, 0, 0.5]], atol=1e-6)


def test_squares_are_cut_out_around_their_centers(tensorflow):
    """Cut off at the borders, of the color that is given, and nothing else changes."""
    from ablation.training.augmentation import GRID, cut_out

    images = np.random.default_rng(1).normal(size=(4, 9, 7, 3)).astype("float32")
    places, color = [(0, 0), (8, 6), (4, 3), (3, 6)], np.float32([1, 2, 3])
    centers = np.int32([[(2 * row + 1) * GRID // 18, (2 * column + 1) * GRID // 14] for row, column in places])
    for side in (3, 4):
        for image, (row, column), ours in zip(
            images, places, cut_out(images, centers, side, color).numpy(), strict=True
        ):
            expected, first, left = image.copy(), row - side // 2, column - side // 2
            expected[max(first, 0) : first + side, max(left, 0) : left + side] = color
            np.testing.assert_array_equal(ours, expected)


def test_centers_are_even_and_sampled_again_in_every_epoch(tensorflow, spec):
    from ablation.training.augmentation import GRID, sample_augmentation

    first, second = (sample_augmentation(spec.replace(cutout=4), 1, epoch, 6400) for epoch in (1, 2))
    np.testing.assert_array_equal(first[:, 1:3], sample_augmentation(spec, 1, 1, 6400)[:, 1:3])  # as without it
    for sampled in (first, second):
        _, counts = np.unique(sampled[:, 3:] * 32 // GRID, return_counts=True)
        assert len(counts) == 32
        assert counts.min() > 300
    assert (first[:, 3:] != second[:, 3:]).mean() > 0.9
    assert not sample_augmentation(spec, 1, 1, 10)[:, 3:].any()


def test_what_is_cut_out_has_the_mean_color_of_the_training_images(tensorflow, spec, monkeypatch):
    from ablation.errors import InputError
    from ablation.training import loop, networks

    images = np.random.default_rng(1).random((40, 16, 16, 3), dtype="float32") * np.float32([1, 2, 3])
    data, none = (images, np.arange(40) % 3), (images[:0], np.zeros(0, int))
    spec = spec.replace(channels=(4, 4, 4), precision="float32", cutout=5, epochs=1, batch_size=16, lookahead=0)
    colors = []
    cut_out = loop.cut_out
    monkeypatch.setattr(
        loop, "cut_out", lambda x, at, side, color: colors.append((side, color)) or cut_out(x, at, side, color)
    )
    loop.train(networks.build_network(spec, images, 3), spec, data, none, 1, lambda epoch: None)
    assert colors[0][0] == 5
    np.testing.assert_allclose(colors[0][1], images.mean((0, 1, 2)), rtol=1e-5)
    with pytest.raises(InputError, match="cutout: 16 is not less than the 16 pixels of an image"):
        loop.train(networks.build_network(spec, images, 3), spec.replace(cutout=16), data, none, 1, lambda epoch: None)
