"""ZCA against its formula in float64."""

import numpy as np
import pytest

from ablation.data import whitening
from ablation.errors import InputError


@pytest.fixture
def images():
    """Correlated uint8 images: 400 of 8 x 8 x 3."""
    rng = np.random.default_rng(1)
    smooth = rng.normal(size=(400, 10)) @ rng.normal(size=(10, 192))
    return np.clip(128 + 20 * smooth + 8 * rng.normal(size=(400, 192)), 0, 255).astype(np.uint8).reshape(400, 8, 8, 3)


def formula(train, images, epsilon):
    """Keras 2.1.4's whitening of `images`, fitted on `train`, in float64 throughout."""
    x = train.astype(np.float64) / 255
    mean = x.mean(axis=(0, 1, 2))
    flat = (x - mean).reshape(len(x), -1)
    u, s, _ = np.linalg.svd(flat.T @ flat / len(flat))
    filters = u @ np.diag(1 / np.sqrt(s + epsilon)) @ u.T
    return ((images.astype(np.float64) / 255 - mean).reshape(len(images), -1) @ filters).reshape(images.shape)


@pytest.mark.parametrize("epsilon", [1e-6, 0.1])
def test_against_the_formula(images, epsilon):
    train, test = images[:300], images[300:]
    zca = whitening.fit(train, epsilon)
    for part in (train, test):
        whitened = whitening.apply(zca, part)
        assert whitened.dtype == np.float32
        np.testing.assert_allclose(whitened, formula(train, part, epsilon), atol=2e-4)


def test_covariance_is_about_the_identity(images):
    zca = whitening.fit(images, 1e-6)
    whitened = whitening.apply(zca, images).reshape(len(images), -1).astype(np.float64)
    expected = zca.eigenvalues / (zca.eigenvalues + 1e-6)  # what epsilon takes away
    measured = np.linalg.eigvalsh(whitened.T @ whitened / len(whitened))[::-1]
    np.testing.assert_allclose(measured, expected, atol=1e-3)
    assert np.all(np.abs(expected - 1) < 0.01)


def test_eigenvalues_come_largest_first_and_sum_to_the_variance(images):
    zca = whitening.fit(images, 1e-6)
    assert np.all(np.diff(zca.eigenvalues) <= 0)
    x = images / 255
    assert zca.eigenvalues.sum() == pytest.approx(((x - x.mean(axis=(0, 1, 2))) ** 2).sum() / len(x), rel=1e-5)


def test_the_mean_does_not_saturate():
    """A float32 sum stands still at 2**24: numpy's mean of as many white pixels comes out too dark."""
    images = np.full((90_000, 16, 16, 3), 255, dtype=np.uint8)
    images[:, 0, 0] = 0
    trap = (images / np.float32(255)).astype(np.float32).mean(axis=(0, 1, 2))
    assert np.all(trap < 0.8)
    np.testing.assert_allclose(whitening.fit(images, 1e-6).mean, 255 / 256, rtol=1e-6)


def test_constant_pixels_give_no_nan(images):
    images[:, 0] = 7
    assert np.isfinite(whitening.apply(whitening.fit(images, 1e-6), images)).all()


def test_filters_of_the_center_pixel(images):
    """Their products with an image are the channels of its whitened center pixel."""
    zca = whitening.fit(images, 0.1)
    filters = whitening.center_pixel_filters(zca, (8, 8, 3))
    assert filters.shape == (3, 8, 8, 3)
    centred = images[0] / 255 - zca.mean
    np.testing.assert_allclose(
        (filters * centred).sum(axis=(1, 2, 3)), whitening.apply(zca, images[:1])[0, 4, 4], atol=1e-4
    )


def test_a_holdout_is_left_out_of_the_fit_and_whitened(images):
    zca = whitening.fit(images[:-10], 0.1)
    x_train, x_test, fitted = whitening.whiten(images, images[:5], 0.1, 10 / len(images))
    assert fitted.fitted_on == len(images) - 10
    np.testing.assert_array_equal(fitted.filters, zca.filters)
    np.testing.assert_array_equal(x_train, whitening.apply(zca, images))
    np.testing.assert_array_equal(x_test, whitening.apply(zca, images[:5]))
    assert whitening.whiten(images, images, 0.1, 0)[2].fitted_on == len(images)


def smooth(n, seed):
    """n smooth images of 16 x 16 x 3, with a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(n, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(128 + 40 * coarse + rng.normal(size=coarse.shape), 0, 255).astype(np.uint8)


def spreads(n, epsilon):
    """The ZCA fitted on n images, their spread, and that of 200 others."""
    x_train, x_test, zca = whitening.whiten(smooth(n, 1), smooth(200, 2), epsilon, 0)
    return zca, whitening.spread(x_train), whitening.spread(x_test)


def test_the_spread_is_the_standard_deviation_of_all_blocks(monkeypatch):
    values = np.random.default_rng(0).normal(3, 2, (50, 4, 4, 3)).astype(np.float32)
    monkeypatch.setattr(whitening, "BLOCK", 8)
    assert whitening.spread(values) == pytest.approx(values.std(dtype=np.float64), rel=1e-9)
    assert whitening.spread(np.full_like(values, 0.1)) == pytest.approx(0, abs=1e-6)


def test_blocks_change_nothing(images, monkeypatch):
    whole = whitening.whiten(images, images[:7], 0.1, 0)
    monkeypatch.setattr(whitening, "BLOCK", 64)
    for ours, expected in zip(whitening.whiten(images, images[:7], 0.1, 0)[:2], whole[:2], strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_fewer_images_than_values_are_refused_where_that_ruins_others():
    """C2: 100 images of 768 values."""
    zca, fitted, test = spreads(100, 1e-6)
    assert test > 3 * fitted
    with pytest.raises(InputError, match=r"100 images of 768 values\); set input: raw, a larger whitening.epsilon or"):
        whitening.check_spread(zca, fitted, test)


def test_fewer_images_than_values_are_fine_with_the_epsilon_for_it():
    assert whitening.check_spread(*spreads(100, 0.3)) is None


def test_a_spread_worth_a_warning(monkeypatch):
    zca, fitted, test = spreads(100, 1e-6)
    warning = whitening.check_spread(zca, 1.0, 2.0)
    assert warning.startswith("whitening spreads test images 2 times as wide as those that it was fitted on (standard")
    assert "so accuracies on them may mean little; set input: raw" in warning
    many = whitening.fit(smooth(800, 1), 1e-6)  # more than values: never an error
    assert whitening.check_spread(many, fitted, test).startswith("whitening spreads test images ")
    assert whitening.check_spread(zca, 1.0, 1.49) is None
    assert whitening.check_spread(zca, 1.0, 1.51) and whitening.check_spread(zca, 1.0, 2.99)
    with pytest.raises(InputError):
        whitening.check_spread(zca, 1.0, 3.01)
    assert "1e+12 times as wide" in whitening.check_spread(many, 0.0, 1.0)  # all images of the fit alike


def test_what_does_not_fit_into_memory_is_refused_before_the_work(monkeypatch):
    """C3: images of 96 x 96 x 3."""
    monkeypatch.setattr(whitening, "available_memory", lambda: 16 * 10**9)
    line = "whitening 3,072 values per image (32 x 32 x 3) takes about {} GB of memory"
    for images, needed in ((60_000, "1.4"), (100, "0.5")):  # six matrices of 75 MB; images, and blocks of them
        assert whitening.check_memory((32, 32, 3), images) == line.format(needed)
    with pytest.raises(
        InputError,
        match=r"27,648 values per image \(96 x 96 x 3\) takes about 37.\d GB of memory, and 16.0 GB are available",
    ):
        whitening.check_memory((96, 96, 3), 1000)


def test_the_memory_of_a_control_group_counts(monkeypatch):
    texts = {
        "/proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable: 5000000 kB\n",
        "/proc/self/cgroup": "0::/job\n",
        "/sys/fs/cgroup/job/memory.max": "max\n",
    }
    monkeypatch.setattr(whitening.Path, "read_text", lambda path: texts[str(path)])
    monkeypatch.setattr(whitening.os, "sysconf", lambda name: 10**6)
    assert whitening.available_memory() == 5_000_000 * 1024
    texts["/sys/fs/cgroup/job/memory.max"] = "1000000\n"
    assert whitening.available_memory() == 1_000_000
    monkeypatch.setattr(whitening.os, "sysconf", {"SC_PHYS_PAGES": 60, "SC_PAGE_SIZE": 4096}.get)
    assert whitening.available_memory() == 60 * 4096
