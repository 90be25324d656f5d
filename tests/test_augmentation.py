"""Flips and translations are what was drawn, and what is drawn follows from the seed."""

import dataclasses

import numpy as np
import pytest

from ablation import settings


@pytest.fixture
def spec(modern_config, schema):
    return settings.model_spec(settings.complete(modern_config, schema), "airbench94")


def test_moved_images_are_cropped_from_a_reflected_border_then_flipped(tensorflow):
    from ablation.augmentation import moved

    rng = np.random.default_rng(1)
    images = rng.normal(size=(60, 9, 7, 3)).astype("float32")
    moves = np.column_stack([rng.integers(2, size=60), rng.integers(-3, 4, size=(60, 2))]).astype("int32")
    for image, (flip, down, right), ours in zip(images, moves, moved(images, moves).numpy(), strict=True):
        bordered = np.pad(image, [(3, 3), (3, 3), (0, 0)], mode="reflect")
        cropped = bordered[3 - down : 12 - down, 3 - right : 10 - right]
        np.testing.assert_array_equal(ours, cropped[:, ::-1] if flip else cropped)


def test_alternating_flips_show_every_image_both_ways_in_any_two_epochs(tensorflow, spec):
    from ablation.augmentation import draw

    flips = np.stack([draw(spec, seed=1, epoch=epoch, n=1000)[:, 0] for epoch in (1, 2, 3, 4)])
    np.testing.assert_array_equal(flips[:-1] + flips[1:], 1)
    assert 400 < flips[0].sum() < 600


def test_random_flips_are_drawn_anew_and_none_are_none(tensorflow, spec):
    from ablation.augmentation import draw

    first, second = (
        draw(dataclasses.replace(spec, flip="random"), seed=1, epoch=epoch, n=1000)[:, 0] for epoch in (1, 2)
    )
    assert 400 < (first == second).sum() < 600
    assert not draw(dataclasses.replace(spec, flip="none"), seed=1, epoch=1, n=1000)[:, 0].any()


def test_translations_are_even_over_all_places_up_to_the_setting(tensorflow, spec):
    from ablation.augmentation import draw

    shifts = draw(spec, seed=1, epoch=1, n=5000)[:, 1:]
    values, counts = np.unique(shifts, return_counts=True)
    assert list(values) == [-2, -1, 0, 1, 2]
    assert counts.min() > 1800
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.05
    assert not draw(dataclasses.replace(spec, translation=0), seed=1, epoch=1, n=100)[:, 1:].any()


def test_a_seed_and_an_epoch_decide(tensorflow, spec):
    from ablation.augmentation import draw

    def drawn(seed, epoch):
        return draw(spec, seed, epoch, 100)

    np.testing.assert_array_equal(drawn(1, 2), drawn(1, 2))
    assert not np.array_equal(drawn(1, 2), drawn(2, 2))
    assert not np.array_equal(drawn(1, 2)[:, 1:], drawn(1, 4)[:, 1:])


def test_the_logits_of_views_are_averaged_by_their_weights(tensorflow):
    """Of a model whose two logits are the upper left pixel's red and green, in which every view shows another pixel."""
    from ablation import evaluation
    from ablation.augmentation import VIEWS

    class Corner:
        input_shape = (None, 4, 5, 3)

        def __call__(self, images, training):
            return tensorflow.nn.softmax(images[:, 0, 0, :2])

    def softmax(logits):
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    images = np.random.default_rng(1).normal(size=(3, 4, 5, 3)).astype("float32")
    upright, mirrored = images[..., :2], images[:, :, ::-1, :2]
    expected = {
        "none": upright[:, 0, 0],
        "flip": (upright[:, 0, 0] + mirrored[:, 0, 0]) / 2,
        "flip_and_translate": sum(view[:, 0, 0] / 4 + view[:, 1, 1] / 4 for view in (upright, mirrored)),
    }
    for setting, of_views in VIEWS.items():
        assert sum(of_views.values()) == 1
        views = evaluation.by_view(Corner(), images, setting)
        np.testing.assert_allclose(evaluation.averaged(views, setting), softmax(expected[setting]), rtol=1e-5)
        np.testing.assert_allclose(evaluation.averaged(views, "none"), softmax(upright[:, 0, 0]), rtol=1e-6)


def test_averages_of_saturated_probabilities_are_numbers(tensorflow):
    from ablation import evaluation

    sure = np.array([[1, 0, 0]], dtype="float32")
    result = evaluation.averaged({(0, 0, 0): sure, (1, 0, 0): sure[:, ::-1]}, "flip")
    np.testing.assert_allclose(result, [[0.5, 0, 0.5]], atol=1e-6)
