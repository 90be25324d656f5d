"""Files of images are what their record says, and limits cut what is trained on."""

import json

import numpy as np
import pytest

from ablation import files
from ablation.data import images
from ablation.errors import InputError
from ablation.keys import key_of
from ablation.settings.specs import ModelSpec

MADE_FROM = {"dataset": "digits"}


@pytest.fixture
def path(tmp_path):
    """A file of 40 training and 10 test images of two classes."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (40, 4, 4, 3), np.uint8),
        "y_train": np.arange(40) % 2,
        "x_test": rng.integers(0, 256, (10, 4, 4, 3), np.uint8),
        "y_test": np.arange(10) % 2,
    }
    path = tmp_path / key_of(MADE_FROM) / "images.npz"
    images.write_images(path, MADE_FROM, {"class_names": ["a", "b"]}, **arrays)
    return path


def test_what_is_written_is_read(path):
    pixels, labels, digest = images.read_images(path, "train")
    assert (pixels.shape, labels.tolist()) == ((40, 4, 4, 3), [0, 1] * 20)
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["digests"]["train"] == digest == files.array_digest(pixels, labels)
    assert (record["made_from"], record["class_names"]) == (MADE_FROM, ["a", "b"])
    assert len(images.read_images(path, "test", limit=10)[0]) == 10
    few, few_labels, same_digest = images.read_images(path, "test", limit=3)
    assert np.array_equal(few, images.read_images(path, "test")[0][:3])
    assert few_labels.tolist() == [0, 1, 0]
    assert same_digest == record["digests"]["test"]


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("name", ["x", "y"])
def test_arrays_that_the_record_does_not_know_are_refused(path, part, name):
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays[f"{name}_{part}"] = arrays[f"{name}_{part}"].copy()
    arrays[f"{name}_{part}"].flat[3] ^= 1
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=f"its {part} images do not match the digest in .*images.json; delete both"):
        images.read_images(path, part)


def test_a_folder_of_another_key_is_refused(path):
    other = path.parent.rename(path.parent.with_name("0" * 16))
    with pytest.raises(InputError, match=f"images.json is of the key {key_of(MADE_FROM)}; delete both and run again"):
        images.read_images(other / "images.npz", "train")


def test_without_its_record_a_file_is_not_read(path):
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="images.json: no such file"):
        images.read_images(path, "train")


def test_more_images_than_there_are(path):
    with pytest.raises(InputError, match="limits.test_images: 11 is more than the 10 images there are"):
        images.read_images(path, "test", limit=11)


def spec(**settings):
    return ModelSpec({"validation_split": 0.1, "validation_images": "last"} | settings)


def numbered(n, classes=2):
    """Return n images, whose first pixel is their number, and their labels."""
    pixels = np.zeros((n, 2, 2, 3), np.float32)
    pixels[:, 0, 0, 0] = np.arange(n)
    return pixels, np.arange(n) % classes


def numbers(part):
    return part[0][:, 0, 0, 0].astype(int).tolist()


def test_the_last_images_validate():
    train, validation = images.split(*numbered(40), spec(), seed=1)
    assert (numbers(train), numbers(validation)) == (list(range(36)), list(range(36, 40)))
    assert train[1].tolist() == [0, 1] * 18


def test_a_limit_keeps_every_image_on_its_side():
    """C1: so that what the whitening left out, with fit_on train, stays left out."""
    train, validation = images.split(*numbered(40), spec(), seed=1, limit=20)
    assert (numbers(train), numbers(validation)) == (list(range(18)), [38, 39])
    whole = images.split(*numbered(40), spec(), seed=1, limit=40)
    assert [numbers(part) for part in whole] == [numbers(part) for part in images.split(*numbered(40), spec(), seed=1)]


def test_validation_images_by_seed_are_drawn_from_the_seed():
    by_seed = spec(validation_images="by_seed")
    one, other = (images.split(*numbered(40), by_seed, seed) for seed in (1, 2))
    assert numbers(one[1]) != numbers(other[1])
    assert sorted(numbers(one[0]) + numbers(one[1])) == list(range(40))
    assert [numbers(part) for part in images.split(*numbered(40), by_seed, 1)] == [numbers(part) for part in one]
    assert numbers(one[1]) == [32, 18, 13, 38]  # on every machine: what a finished training has not seen
    assert all(part[1].tolist() == [number % 2 for number in numbers(part)] for part in one)


def test_a_limit_that_can_not_be():
    with pytest.raises(InputError, match="limits.train_images: 41 is more than the 40 images there are"):
        images.split(*numbered(40), spec(), seed=1, limit=41)
    with pytest.raises(InputError, match="limits.train_images: 2 are too few: none of them has label 2"):
        images.split(*numbered(40, classes=4), spec(validation_split=0), seed=1, limit=2)
    with pytest.raises(InputError, match="validation_split: 0.1 of 1 training images leaves one part empty"):
        images.split(*numbered(40, classes=1), spec(), seed=1, limit=1)


def test_raw_pixels_are_scaled_and_whitened_ones_left():
    assert images.network_input(np.array([[0, 255]], np.uint8)).tolist() == [[0.0, 1.0]]
    whitened = np.array([[-1.5, 2.5]], np.float32)
    assert images.network_input(whitened) is whitened
