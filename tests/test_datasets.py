"""Every dataset is checked before anything is computed from it."""

import importlib

import numpy as np
import pytest

from ablation.data import datasets
from ablation.errors import InputError


def arrays(n=60, **changes):
    rng = np.random.default_rng(1)
    return {"images": rng.integers(0, 256, (n, 16, 20, 3), dtype=np.uint8), "labels": np.arange(n) % 3} | changes


def own_test(n):
    """Arrays with n test images of their own."""
    return arrays() | {f"test_{key}": value[:n] for key, value in arrays().items()}


def saved(tmp_path, content):
    np.savez(tmp_path / "own.npz", **content)
    return tmp_path / "own.npz"


def test_digits_are_real_images_of_ten_classes():
    dataset = datasets.read_dataset("digits", None, seed=0)
    assert dataset.x_train.shape == (1497, 32, 32, 3)
    assert dataset.x_test.shape == (300, 32, 32, 3)
    assert dataset.x_train.dtype == np.uint8
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0, 255)
    assert np.bincount(dataset.y_test).min() >= 29


def test_an_own_npz_is_split_by_class(tmp_path):
    dataset = datasets.read_dataset("npz", saved(tmp_path, arrays()), seed=0)
    assert len(dataset.x_train) == 50
    assert np.bincount(dataset.y_test).tolist() in ([4, 3, 3], [3, 4, 3], [3, 3, 4])
    assert dataset.class_names.tolist() == ["0", "1", "2"]


def test_an_own_npz_brings_its_own_test_images(tmp_path):
    path = saved(tmp_path, own_test(9) | {"class_names": np.array(["a", "b", "c"])})
    dataset = datasets.read_dataset("npz", path, seed=0)
    assert (len(dataset.x_train), len(dataset.x_test)) == (60, 9)
    assert dataset.class_names.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("shape", [(60, 16, 20), (60, 16, 20, 1)])
def test_gray_images_have_one_channel(tmp_path, shape):
    images = arrays()["images"][..., 0].reshape(shape)
    dataset = datasets.read_dataset("npz", saved(tmp_path, arrays(images=images)), seed=0)
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((50, 16, 20, 1), (10, 16, 20, 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            arrays(images=np.zeros((60, 16, 16, 3))),
            "images: expected uint8 of shape N x H x W, N x H x W x 1 or N x H x W x 3, got float64 of shape",
        ),
        (arrays(images=np.zeros((60, 16, 16, 2), np.uint8)), r"expected uint8 .* got uint8 of shape \(60, 16, 16, 2\)"),
        (arrays(images=np.zeros((60, 8, 9, 3), np.uint8)), r"images: must be at least 16 x 16 pixels \(got 8 x 9\)"),
        (arrays(labels=np.zeros(59, int)), r"labels: expected 60 integers, got int64 of shape \(59,\)"),
        (arrays(labels=np.full(60, 0.5)), "labels: expected 60 integers, got float64"),
        (arrays(labels=np.arange(60) % 3 - 1), "labels: must be from 0 to 9999"),
        (arrays(labels=np.arange(60) % 2 * 2), r"no training image has label 1 \(1\)"),
        (arrays(labels=np.full(60, 10**10)), "labels: must be from 0 to 9999"),
        (arrays(labels=np.zeros(60, int)), r"must have at least two classes \(got 1\)"),
        (arrays(class_names=np.array("a")), "class_names: expected a list of strings"),
        (arrays(class_names=np.array([1, 2, 3])), "class_names: expected a list of strings"),
        (arrays(class_names=np.array(["a", "b", "a"])), "class_names: 'a' is given twice"),
        (arrays(class_names=np.array(["a", "b", " "])), "class_names: a name is empty"),
        (arrays(n=0), "images: must not be empty"),
        (arrays(n=1), "class '0' has one image; it needs two, to train and to test on"),
        ({"images": arrays()["images"]}, "has no array 'labels'; it holds images"),
        (arrays(class_names=np.array(["only"])), "label 2 is out of range; there are 1 classes"),
        (arrays() | {"test_images": arrays()["images"]}, "has no array 'test_labels'"),
        (arrays() | {"test_image": arrays()["images"]}, "has an array 'test_image', which is unknown; known: images, "),
        (own_test(1), r"must have at least two test images \(got 1\)"),
        (
            own_test(9) | {"test_images": np.zeros((9, 16, 16, 3), np.uint8)},
            r"test_images are \(16, 16, 3\), images are",
        ),
        (own_test(9) | {"test_labels": np.full(9, 3)}, "label 3 is out of range; there are 3 classes"),
    ],
)
def test_wrong_arrays_are_one_line(tmp_path, content, message):
    path = saved(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.read_dataset("npz", path, seed=0)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_shuffling_is_one_order_of_the_training_images():
    dataset = datasets.read_dataset("digits", None, seed=0)
    once, again, other = (datasets.shuffle(dataset, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once.x_train, again.x_train)
    assert not np.array_equal(once.y_train, other.y_train)
    np.testing.assert_array_equal(once.x_test, dataset.x_test)
    order = np.random.default_rng(1).permutation(len(dataset.x_train))  # part of what results are made from
    np.testing.assert_array_equal(once.x_train, dataset.x_train[order])
    np.testing.assert_array_equal(once.y_train, dataset.y_train[order])


def test_every_data_set_of_the_schema_is_a_module(schema):
    for name in schema["properties"]["dataset"]["properties"]["name"]["enum"]:
        assert callable(importlib.import_module(f"ablation.data.datasets.{name}").read)
