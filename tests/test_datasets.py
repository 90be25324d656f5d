"""Every dataset is checked before anything is computed from it."""

import numpy as np
import pytest

from ablation import datasets
from ablation.errors import InputError


def arrays(n=60, **changes):
    rng = np.random.default_rng(1)
    return {"images": rng.integers(0, 256, (n, 16, 20, 3), dtype=np.uint8), "labels": np.arange(n) % 3} | changes


def saved(tmp_path, content):
    np.savez(tmp_path / "own.npz", **content)
    return tmp_path / "own.npz"


def test_digits_are_real_images_of_ten_classes():
    dataset = datasets.digits(seed=0)
    assert dataset.x_train.shape == (1497, 32, 32, 3)
    assert dataset.x_test.shape == (300, 32, 32, 3)
    assert dataset.x_train.dtype == np.uint8
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0, 255)
    assert np.bincount(dataset.y_test).min() >= 29


def test_an_own_npz_is_split_by_class(tmp_path):
    dataset = datasets.from_npz(saved(tmp_path, arrays()), seed=0)
    assert len(dataset.x_train) == 50
    assert np.bincount(dataset.y_test).tolist() in ([4, 3, 3], [3, 4, 3], [3, 3, 4])
    assert dataset.class_names.tolist() == ["0", "1", "2"]


def test_an_own_npz_brings_its_own_test_images(tmp_path):
    content = arrays() | {f"test_{key}": value[:9] for key, value in arrays().items()}
    dataset = datasets.from_npz(saved(tmp_path, content | {"class_names": np.array(["a", "b", "c"])}), seed=0)
    assert (len(dataset.x_train), len(dataset.x_test)) == (60, 9)
    assert dataset.class_names.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (arrays(images=np.zeros((60, 16, 16, 3))), "images is float64 of shape .* it has to be uint8"),
        (arrays(images=np.zeros((60, 16, 16), np.uint8)), "it has to be uint8, N x H x W x 3"),
        (arrays(images=np.zeros((60, 8, 8, 3), np.uint8)), "images are 8 x 8; the networks need at least 16"),
        (arrays(labels=np.zeros(59, int)), "labels is int64 of shape .* it has to be 60 integers"),
        (arrays(labels=np.full(60, 0.5)), "labels is float64"),
        (arrays(labels=np.arange(60) % 3 - 1), "labels has to be between 0 and 9999"),
        (arrays(labels=np.arange(60) % 2 * 2), r"no training image has label 1 \(1\)"),
        (arrays(labels=np.full(60, 10**10)), "labels has to be between 0 and 9999"),
        (arrays(class_names=np.array("a")), "class_names has to be a list of texts"),
        (arrays(class_names=np.array([1, 2, 3])), "class_names has to be a list of texts"),
        (arrays(n=0), "images is empty"),
        (arrays(n=1), "cannot hold out a sixth"),
        ({"images": arrays()["images"]}, "has no array 'labels'; it holds images"),
        (arrays(class_names=np.array(["only"])), "label 2 is out of range; there are 1 classes"),
    ],
)
def test_wrong_arrays_are_one_line(tmp_path, content, message):
    path = saved(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.from_npz(path, seed=0)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_permutation_is_one_order_and_limits_cut_it():
    dataset = datasets.digits(seed=0)
    once, again, other = (datasets.permuted(dataset, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once.x_train, again.x_train)
    assert not np.array_equal(once.y_train, other.y_train)
    assert np.array_equal(np.sort(once.y_train), np.sort(dataset.y_train))
    np.testing.assert_array_equal(once.x_test, dataset.x_test)
    cut = datasets.permuted(dataset, 1, train_images=200, test_images=50)
    np.testing.assert_array_equal(cut.x_train, once.x_train[:200])
    np.testing.assert_array_equal(cut.x_test, dataset.x_test[:50])


def test_limits_out_of_reach():
    dataset = datasets.digits(seed=0)
    with pytest.raises(InputError, match="limits.train_images: 5000 is more than the 1497 images there are"):
        datasets.permuted(dataset, 1, train_images=5000)
    with pytest.raises(InputError, match="limits.train_images: no training image has label"):
        datasets.permuted(dataset, 1, train_images=5)


def test_one_test_image_compares_nothing():
    with pytest.raises(InputError, match="1 test image: there have to be two at least"):
        datasets.permuted(datasets.digits(0), 0, None, 1)
