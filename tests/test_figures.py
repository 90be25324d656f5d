"""What the figures show is what was given; and odd studies have figures too."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from ablation import figures
from ablation.predictions import Predictions
from test_table import ACCURACIES, a_study

NAMES = np.array(["cat", "dog", "frog"])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def history(offset=0.0, epochs=3):
    epoch = np.arange(1, epochs + 1)
    columns = ("loss", "accuracy", "val_loss", "val_accuracy")
    return pd.DataFrame({"epoch": epoch, **{name: 0.1 * epoch + offset for name in columns}})


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def test_curves_are_means_and_bands_go_from_seed_to_seed():
    (axes,) = figures.loss_plot("m", [history(0.0), history(0.4)]).axes
    np.testing.assert_allclose(lines(axes)["loss"], [0.3, 0.4, 0.5])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(0.1)
    assert band[:, 1].max() == pytest.approx(0.7)
    (axes,) = figures.accuracy_plot("m", [history(epochs=1)]).axes
    assert list(lines(axes)) == ["accuracy", "val_accuracy"]


def test_a_model_without_validation_images_has_no_line_of_them():
    without = history().assign(val_loss=np.nan, val_accuracy=np.nan)
    (axes,) = figures.loss_plot("m", [without, without]).axes
    assert list(lines(axes)) == ["loss"]
    losses, accuracies = figures.curves_plot({"without": [without], "with": [history()]}).axes
    assert list(lines(losses)) == list(lines(accuracies)) == ["with"]
    assert not figures.curves_plot({"without": [without]}).legends


def test_more_models_than_colours_are_told_apart():
    losses, _ = figures.curves_plot({f"m{number}": [history()] for number in range(20)}).axes
    styles = {(line.get_color(), line.get_linestyle()) for line in losses.get_lines()}
    assert len(styles) == 20


def test_reliability_by_hand():
    """Three images at 0.95 of which two are right, one at 0.55 that is wrong: bins 10 and 6 of ten."""
    confidence, accuracy, share = figures.reliability(
        np.array([0.95, 0.95, 0.95, 0.55]), np.array([True, True, False, False])
    )
    assert confidence.tolist() == pytest.approx([0.55, 0.95])
    assert accuracy.tolist() == pytest.approx([0, 2 / 3])
    assert share.tolist() == pytest.approx([0.25, 0.75])
    of_model = Predictions(np.array([[[0.95, 0.05]] * 4]), np.zeros((1, 4), int))
    figure = figures.calibration_plot({"m": of_model}, np.array([0, 0, 0, 1]))
    assert "m  (20.0 points)" in [text.get_text() for text in figure.legends[0].get_texts()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_confusions_in_percent_of_the_true_class_and_less_the_baseline():
    labels = np.array([0, 0, 1, 1, 2, 2])
    right, wrong = labels[None], np.array([[0, 1, 1, 1, 2, 2]])
    matrix, difference = figures.confusion_plot("m", wrong, right, labels, NAMES).axes
    assert texts(matrix) == ["50", "50", "100", "100"]
    assert texts(difference) == ["−50", "+50"]
    alone = figures.confusion_plot("m", right, right, labels, NAMES)
    assert len(alone.axes) == 1


def test_a_confusion_with_a_class_that_has_no_image_is_counted():
    labels, predicted = np.array([0, 0, 1, 1]), np.array([[1, 2, 2, 0]])
    matrix, _ = figures.confusion_plot("m", predicted, labels[None], labels, NAMES).axes
    assert texts(matrix) == ["50", "50", "50", "50"]


def test_accuracy_by_class():
    labels = np.array([0, 0, 1, 2])
    axes, _ = figures.classes_plot({"m": np.array([[True, False, True, False]])}, labels, NAMES).axes
    assert texts(axes) == ["50", "100", "0"]


def test_the_surest_mistakes_come_first():
    probabilities = np.array([[[0.9, 0.1, 0], [0.3, 0.7, 0], [0.2, 0.8, 0]]])
    images = np.zeros((3, 16, 16, 3), np.uint8)
    figure = figures.mistakes_plot("m", probabilities, np.array([0, 0, 0]), images, NAMES)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["cat\nseen as dog\n80%", "cat\nseen as dog\n70%"]
    none = figures.mistakes_plot("m", probabilities, np.array([0, 1, 1]), images, NAMES)
    assert none.get_suptitle() == "m: no mistakes"


def test_pairwise_differences():
    _, comparisons, _ = a_study(ACCURACIES)
    axes = figures.differences_plot(list(ACCURACIES), comparisons).axes[0]
    assert texts(axes) == ["−10.0*", "+0.2", "+10.0*", "+10.2*", "−0.2", "−10.2*"]


@pytest.mark.parametrize("seeds", [1, 5])
@pytest.mark.parametrize("models", [1, 3])
def test_small_studies_have_all_figures(seeds, models, tmp_path):
    accuracies = {model: ACCURACIES[model] for model in "abc"[:models]}
    _, comparisons, table = a_study(accuracies, range(1, seeds + 1))
    figures.save(figures.accuracies_plot(table, accuracies), tmp_path / "accuracies.png")
    figures.save(figures.cost_plot(accuracies, table), tmp_path / "cost.png")
    figures.save(figures.differences_plot(list(accuracies), comparisons), tmp_path / "differences.png")
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in ("accuracies", "cost", "differences"))


def test_the_points_of_equal_models_stay_clear_of_the_edge_of_the_cost_plot():
    accuracies = {model: ACCURACIES[model] for model in "abc"}
    _, _, table = a_study(accuracies, [1, 2])
    table["parameters"], table["training_seconds"] = 2_000_000, [70.0, 70.5, 71.0]
    for axes in figures.cost_plot(accuracies, table).axes:
        assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] > 1.03 * axes.dataLim.x1


def test_many_classes_are_cut_to_a_matrix_that_can_be_read():
    labels = np.arange(100)
    names = labels.astype(str)
    (matrix,) = figures.confusion_plot("m", labels[None], labels[None], labels, names).axes
    assert matrix.get_xlabel() == "predicted (first 40 of 100 classes)"
    assert len(texts(matrix)) == figures.MOST_CLASSES
    axes, _ = figures.classes_plot({"m": np.ones((1, 100), bool)}, labels, names).axes
    assert len(texts(axes)) == figures.MOST_CLASSES


@pytest.mark.parametrize("eigenvalues", [[2.0, 0.5, 0.0], [0.0, 0.0]], ids=["images", "images that are all alike"])
def test_epsilon_is_marked_in_the_spectrum(eigenvalues):
    (axes,) = figures.eigenvalues_plot(np.array(eigenvalues), 1e-3).axes
    assert lines(axes)["epsilon = 0.001"] == pytest.approx([1e-3, 1e-3])


def test_images_before_and_after_whitening():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    figure = figures.whitened_images_plot(images, rng.normal(size=images.shape).astype(np.float32), list("abcd"))
    assert [axes.get_title() for axes in figure.axes[:4]] == list("abcd")
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), images[1])


def test_filters_of_wide_images_are_cut_about_their_middle():
    filters = np.zeros((3, 16, 48, 3))
    filters[:, 8, 24] = 1
    for axes in figures.filters_plot(filters).axes:
        shown = axes.images[0].get_array()
        assert shown.shape == (11, 11, 3)
        np.testing.assert_array_equal(shown[5, 5], [1, 1, 1])
