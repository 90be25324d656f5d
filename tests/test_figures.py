"""The figures show what was given; and odd studies have figures too."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ablation.report import figures
from ablation.report.figures.calibration import reliability
from ablation.report.figures.style import LIGHT, MAX_CLASSES, PALETTE
from ablation.report.study import Study
from conftest import ROOT
from test_table import ACCURACIES, a_study

NAMES = np.array(["cat", "dog", "frog"])


def history(offset=0.0, epochs=3):
    epoch = np.arange(1, epochs + 1)
    columns = ("loss", "accuracy", "val_loss", "val_accuracy")
    return pd.DataFrame({"epoch": epoch, **{name: 0.1 * epoch + offset for name in columns}})


def study_of(histories):
    return SimpleNamespace(models=list(histories), histories=histories.get)


def study_of_table(accuracies, seeds=5, families=None, **changes):
    compared = {name: (family["of"], family["compared"]) for name, family in (families or {}).items()}
    metrics, comparisons, table = a_study(accuracies, range(1, seeds + 1), families=compared, **changes)
    return SimpleNamespace(
        report_on=changes.get("report_on", "test"),
        facts={"families": families},
        models=list(accuracies),
        metrics_of=lambda model: [run for run in metrics if run["model"] == model],
        comparisons=comparisons,
        accuracies=table,
    )


def study_of_predictions(labels, class_names=NAMES, probabilities=None, images=None, image_files=None, **predicted):
    """A study of models with these predicted labels, (seeds, images) each; the last is the baseline."""
    study = SimpleNamespace(
        models=list(predicted),
        baseline=list(predicted)[-1],
        labels=np.array(labels),
        class_names=class_names,
        images=images,
        image_files=None if image_files is None else np.array(image_files),
        predictions=lambda model: SimpleNamespace(predicted=np.array(predicted[model]), probabilities=probabilities),
    )
    study.mistakes = lambda model: Study.mistakes(study, model)
    return study


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_the_catalogue_has_every_figure_in_the_order_of_the_page():
    scopes = {}
    for name, figure in figures.catalogue().items():
        scopes.setdefault(figure.scope, []).append(name)
        assert figure.title and figure.caption.endswith(".") and not figure.alt.endswith(".")
        assert ("{model}" in figure.alt) == (figure.scope in ("model", "family"))
    assert scopes == {
        "study": ["accuracies", "differences", "curves", "classes", "calibration", "cost"],
        "family": ["ablation", "grid"],
        "model": ["loss", "accuracy", "confusion", "mistakes"],
        "whitening": ["whitening", "filters", "eigenvalues"],
    }
    assert figures.catalogue()["curves"].wide and not figures.catalogue()["cost"].wide


def test_the_catalogue_needs_no_matplotlib():
    """Whoever plans a study reads it."""
    code = "import sys; from ablation.report.figures import catalogue; catalogue(); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, check=True).stdout
    assert not {"matplotlib", "pandas", "scipy"} & set(printed.decode().split())


def test_a_figure_bears_its_key_at_its_end(tmp_path):
    figure = figures.draw("loss", study_of({"m": [history()]}), "m")
    figures.save(figure, tmp_path / "loss_m.png", "0123456789abcdef")
    assert b"0123456789abcdef" in (tmp_path / "loss_m.png").read_bytes()[-100:]
    with Image.open(tmp_path / "loss_m.png") as picture:
        picture.load()
        assert picture.size == (704, 440)


def test_curves_are_means_and_bands_go_from_seed_to_seed():
    study = study_of({"m": [history(0.0), history(0.4)], "short": [history(epochs=1)]})
    (axes,) = figures.draw("loss", study, "m").axes
    np.testing.assert_allclose(lines(axes)["loss"], [0.3, 0.4, 0.5])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(0.1)
    assert band[:, 1].max() == pytest.approx(0.7)
    (axes,) = figures.draw("accuracy", study, "short").axes
    assert list(lines(axes)) == ["accuracy", "val_accuracy"]


def test_a_model_without_validation_images_has_no_line_of_them():
    without = history().assign(val_loss=np.nan, val_accuracy=np.nan)
    study = study_of({"without": [without, without], "with": [history()]})
    (axes,) = figures.draw("loss", study, "without").axes
    assert list(lines(axes)) == ["loss"]
    losses, accuracies = figures.draw("curves", study).axes
    assert list(lines(losses)) == list(lines(accuracies)) == ["with"]
    assert not figures.draw("curves", study_of({"without": [without]})).legends


def test_more_models_than_colors_are_told_apart():
    losses, _ = figures.draw("curves", study_of({f"m{number}": [history()] for number in range(20)})).axes
    styles = {(line.get_color(), line.get_linestyle()) for line in losses.get_lines()}
    assert len(styles) == 20


def test_accuracies_are_drawn_with_both_intervals():
    """The narrow bar is the interval on these images, the wide and lighter one that on new images."""
    study = study_of_table(ACCURACIES)
    figure = figures.draw("accuracies", study)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["b", "a", "c"] and axes.get_yticks().tolist() == [2, 1, 0]  # from above
    for row, place in zip(study.accuracies.itertuples(), axes.get_yticks(), strict=True):
        drawn = [line for line in axes.get_lines() if set(line.get_ydata()) == {place}]
        found = {(line.get_color(), line.get_marker()): line.get_xdata() for line in drawn}
        assert found[LIGHT, "None"] == pytest.approx([100 * row.population_low, 100 * row.population_high])
        assert found[PALETTE[0], "None"] == pytest.approx([100 * row.low, 100 * row.high])
        assert found[PALETTE[1], "o"] == pytest.approx(100 * np.array(ACCURACIES[row.model]))
        assert found["black", "|"] == pytest.approx([100 * np.mean(ACCURACIES[row.model])])
    legend = {
        text.get_text(): line.get_color()
        for text, line in zip(figure.legends[0].get_texts(), figure.legends[0].get_lines(), strict=True)
    }
    assert (legend["95%, these images"], legend["95%, new images"]) == (PALETTE[0], LIGHT)


def test_cost_is_in_minutes_and_millions_and_bars_are_for_new_images():
    study = study_of_table(ACCURACIES)  # of 10,000 parameters and 60 seconds
    parameters, minutes = figures.draw("cost", study).axes
    for axes, x in ((parameters, 0.01), (minutes, 1.0)):
        for number, row in enumerate(study.accuracies.sort_values("model").itertuples()):  # as in the config
            (point, _, (bar,)) = axes.containers[number]
            if axes is minutes or number == 0:
                assert point.get_xdata() == pytest.approx([x])
            assert point.get_ydata() == pytest.approx([100 * row.accuracy])
            ends = bar.get_segments()[0][:, 1]
            assert ends == pytest.approx([100 * row.population_low, 100 * row.population_high])


def test_the_points_of_equal_models_stay_clear_of_the_edge_of_the_cost_plot():
    study = study_of_table(ACCURACIES, seeds=2)
    study.accuracies["parameters"], study.accuracies["training_seconds"] = 2_000_000, [70.0, 70.5, 71.0]
    for axes in figures.draw("cost", study).axes:
        assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] > 1.03 * axes.dataLim.x1
        places = [container[0].get_xdata()[0] for container in axes.containers]
        assert len(set(places)) == 3


def test_chance_is_drawn_where_it_is_in_sight():
    near = figures.draw("accuracies", study_of_table(ACCURACIES, chance=0.7)).axes[0]
    assert [70.0, 70.0] in [list(line.get_xdata()) for line in near.get_lines()]
    far = figures.draw("accuracies", study_of_table(ACCURACIES)).axes[0]
    assert far.get_xlabel() == "test accuracy, % (chance: 10.0)"
    assert far.get_xlim()[0] > 60
    assert [10.0, 10.0] not in [list(line.get_xdata()) for line in far.get_lines()]


def a_family(kind, rows, of="a", **labels):
    return {
        "f": {"kind": kind, "of": of, "rows": rows, "labels": labels, "compared": [row for row in rows if row != of]}
    }


def test_an_ablation_shows_differences_the_largest_loss_first():
    rows = {"a": {"flip": "none"}, "c": {"decay": 1e-4}}
    study = study_of_table(ACCURACIES, families=a_family("ablate", rows, "b", a="flip none", c="decay 0.0001"))
    (axes,) = figures.draw("ablation", study, "f").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["flip none", "decay 0.0001"]  # upwards
    assert texts(axes) == ["−10.0  worse", "−10.2  worse"]
    marks = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "|"]
    assert marks == pytest.approx([-10, -10.2])
    assert axes.get_xlabel() == "test accuracy minus that of b, points"


def test_a_grid_of_one_number_is_a_line_over_it():
    rows = {"a": {"learning_rate": 0.3}, "b": {"learning_rate": 0.01}, "c": {"learning_rate": 0.1}}
    study = study_of_table(ACCURACIES, families=a_family("grid", rows), report_on="validation")
    (axes,) = figures.draw("grid", study, "f").axes
    mean = next(line for line in axes.get_lines() if line.get_color() == "black")
    assert mean.get_xdata().tolist() == [0.01, 0.1, 0.3]
    assert mean.get_ydata() == pytest.approx([82, 71.8, 72])
    assert axes.get_xscale() == "log"
    assert axes.get_ylabel() == "validation accuracy, %"


def test_a_grid_of_two_settings_is_a_matrix():
    rows = {
        "a": {"dropout": [0.0, 0.5], "epochs": 5},
        "b": {"dropout": [0.0, 0.5], "epochs": 9},
        "c": {"dropout": [0.1, 0.5], "epochs": 5},
    }
    study = study_of_table(ACCURACIES, families=a_family("grid", rows))
    axes, _ = figures.draw("grid", study, "f").axes
    assert texts(axes) == ["72.0", "82.0*", "71.8"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epochs", "dropout")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.0, 0.5", "0.1, 0.5"]


@pytest.mark.parametrize("rows", [{"b": {"flip": "random"}}, {"b": {"optimizer": "sgd", "momentum": 0.5}, "c": {}}])
def test_any_other_grid_shows_differences(rows):
    study = study_of_table(ACCURACIES, families=a_family("grid", rows, b="B", c="C"))
    (axes,) = figures.draw("grid", study, "f").axes
    assert "points" in axes.get_xlabel()


def test_families_of_one_seed_have_figures(tmp_path):
    rows = {"b": {"epochs": 5}, "c": {"epochs": 9}}
    study = study_of_table(ACCURACIES, 1, families=a_family("grid", rows, b="B", c="C"))
    for name in ("ablation", "grid"):
        figures.save(figures.draw(name, study, "f"), tmp_path / f"{name}.png", "key")
    assert texts(figures.draw("ablation", study, "f").axes[0]) == ["+10.0  too few seeds", "−1.0  too few seeds"]


def test_pairwise_differences():
    axes = figures.draw("differences", study_of_table(ACCURACIES)).axes[0]
    assert texts(axes) == ["−10.0*", "+0.2", "+10.0*", "+10.2*", "−0.2", "−10.2*"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0, -10, 0.2], [10, 0, 10.2], [-0.2, -10.2, 0]], atol=1e-9)


@pytest.mark.parametrize("seeds", [1, 5])
@pytest.mark.parametrize("models", [1, 3])
def test_small_studies_have_all_figures(seeds, models, tmp_path):
    study = study_of_table({model: ACCURACIES[model] for model in "abc"[:models]}, seeds)
    for name in ("accuracies", "cost", "differences"):
        figures.save(figures.draw(name, study), tmp_path / f"{name}.png", "key")
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert min(picture.size) > 100


def test_reliability_by_hand():
    """Three images at 0.95 of which two are right, one at 0.55 that is wrong: bins 10 and 6 of ten."""
    confidence, accuracy, weight = reliability(np.array([0.95, 0.95, 0.95, 0.55]), np.array([True, True, False, False]))
    assert confidence.tolist() == pytest.approx([0.55, 0.95])
    assert accuracy.tolist() == pytest.approx([0, 2 / 3])
    assert weight.tolist() == pytest.approx([0.25, 0.75])
    assert [part.tolist() for part in reliability(np.array([1.0]), np.array([True]))] == [[1], [1], [1]]
    probabilities = np.array([[*[[0.95, 0.05]] * 3, [0.55, 0.45]]])
    study = study_of_predictions([0, 0, 1, 1], probabilities=probabilities, m=[[0, 0, 0, 0]])
    figure = figures.draw("calibration", study)
    assert "m  (35.0 points)" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_confusions_in_percent_of_the_true_class_and_less_the_baseline():
    labels = [0, 0, 1, 1, 2, 2]
    study = study_of_predictions(labels, m=[[0, 1, 1, 1, 2, 2]], baseline=[labels])
    matrix, difference = figures.draw("confusion", study, "m").axes
    assert texts(matrix) == ["50", "50", "100", "100"]
    assert texts(difference) == ["−50", "+50"]
    assert len(figures.draw("confusion", study, "baseline").axes) == 1


def test_a_confusion_with_a_class_that_has_no_image_is_counted():
    study = study_of_predictions([0, 0, 1, 1], m=[[1, 2, 2, 0]], baseline=[[0, 0, 1, 1]])
    matrix, _ = figures.draw("confusion", study, "m").axes
    assert texts(matrix) == ["50", "50", "50", "50"]
    np.testing.assert_array_equal(matrix.images[0].get_array(), [[0, 50, 50], [50, 0, 50], [0, 0, 0]])


def test_accuracy_by_class():
    axes, _ = figures.draw("classes", study_of_predictions([0, 0, 1, 2], m=[[0, 1, 1, 0]])).axes
    assert texts(axes) == ["50", "100", "0"]


def test_texts_of_a_heatmap_stand_out_from_their_cells():
    axes, _ = figures.draw("classes", study_of_predictions([0, 0, 1, 2], m=[[0, 1, 1, 0]])).axes
    assert [text.get_color() for text in axes.texts] == ["white", "black", "white"]  # 50%, 100%, 0% of cividis


def test_the_most_confident_mistakes_come_first():
    probabilities = np.array([[[0.9, 0.1, 0], [0.3, 0.7, 0], [0.2, 0.8, 0]]])
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 16, 16, 3), np.uint8)
    study = study_of_predictions([0, 0, 0], probabilities=probabilities, images=images, m=[[0, 1, 1]])
    figure = figures.draw("mistakes", study, "m")
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [
        "cat\nseen as dog\n80%",
        "cat\nseen as dog\n70%",
    ]
    assert [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes if axes.images] == [2, 1]
    none = study_of_predictions([0, 1, 1], probabilities=probabilities, images=images, m=[[0, 1, 1]])
    assert figures.draw("mistakes", none, "m").get_suptitle() == "m: no mistakes"


def test_many_classes_are_cut_to_a_matrix_that_can_be_read():
    labels = np.arange(100)
    study = study_of_predictions(labels, labels.astype(str), m=labels[None])
    (matrix,) = figures.draw("confusion", study, "m").axes
    assert matrix.get_xlabel() == "predicted (first 40 of 100 classes)"
    assert len(texts(matrix)) == MAX_CLASSES
    axes, _ = figures.draw("classes", study).axes
    assert len(texts(axes)) == MAX_CLASSES


def study_of_whitening(**arrays):
    return SimpleNamespace(class_names=np.array(list("abcd")), whitening=SimpleNamespace(**arrays))


@pytest.mark.parametrize("eigenvalues", [[2.0, 0.5, 0.0], [0.0, 0.0]], ids=["images", "images that are all alike"])
def test_epsilon_is_marked_in_the_spectrum(eigenvalues):
    study = study_of_whitening(eigenvalues=np.array(eigenvalues), epsilon=1e-3)
    (axes,) = figures.draw("eigenvalues", study).axes
    assert lines(axes)["epsilon = 0.001"] == pytest.approx([1e-3, 1e-3])
    assert lines(axes)["eigenvalues"] == pytest.approx(eigenvalues, abs=1e-12)


def test_images_before_and_after_whitening():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    whitened = rng.normal(size=images.shape).astype(np.float32)
    figure = figures.draw(
        "whitening", study_of_whitening(images=images, whitened=whitened, labels=np.array([3, 1, 0, 2]))
    )
    assert [axes.get_title() for axes in figure.axes[:4]] == ["d", "b", "a", "c"]
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), images[1])
    below = figure.axes[5].images[0].get_array()
    assert np.corrcoef(below.ravel(), whitened[1].ravel())[0, 1] > 0.99
    assert (below.min(), below.max()) == (0, 1)


def test_filters_of_wide_images_are_cut_about_their_center():
    filters = np.zeros((3, 16, 48, 3))
    filters[:, 8, 24] = 1
    for axes in figures.draw("filters", study_of_whitening(filters=filters)).axes:
        shown = axes.images[0].get_array()
        assert shown.shape == (11, 11, 3)
        np.testing.assert_array_equal(shown[5, 5], [1, 1, 1])


def test_the_style_is_the_same_whatever_the_user_has_in_a_matplotlibrc(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\n")
    code = (
        "from ablation.report.figures.style import matplotlib;"
        "print(matplotlib.rcParams['text.usetex'], matplotlib.rcParams['font.size'])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "scripts",
        env={"MATPLOTLIBRC": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split() == ["False", "11.0"]


def panels(figure):
    """The images of a figure, each as the colors that are drawn, (height, width, 4) floats, and its title."""
    shown = [axes for axes in figure.axes if axes.images]
    return [(axes.images[0].to_rgba(axes.images[0].get_array()), axes.get_title()) for axes in shown]


def test_mistakes_name_the_files_of_gray_images():
    images = np.arange(3 * 16 * 16, dtype=np.uint8).reshape(3, 16, 16, 1)
    names = np.array(["cat/a$b$.png", f"dog/{'x' * 100}_0017.png", "dog/c.png"])
    probabilities = np.array([[[0.1, 0.9], [0.8, 0.2], [0.1, 0.9]]])
    predicted = {"a": [[1, 0, 1]]}
    study = study_of_predictions([0, 1, 1], NAMES[:2], probabilities, images, names, **predicted)
    (first, title), (_, long) = panels(figures.draw("mistakes", study, "a"))
    assert title == "cat\nseen as dog\n90%\na$b$.png"
    assert (
        long.splitlines()[-1].startswith("xxx")
        and long.endswith("…xxxxxx_0017.png")
        and len(long.splitlines()[-1]) == 24
    )
    assert np.allclose(first[..., 0], images[0, ..., 0] / 255, atol=1 / 255) and np.allclose(
        first[..., 0], first[..., 2]
    )


def test_figures_of_a_whitening_of_one_channel():
    images = np.full((2, 8, 8, 1), 51, np.uint8)
    whitened = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    filters = np.zeros((1, 8, 8, 1))
    filters[0, 4, 4] = 2
    whitening = SimpleNamespace(images=images, whitened=whitened, labels=np.array([0, 1]), filters=filters)
    study = SimpleNamespace(whitening=whitening, class_names=NAMES)
    (before, _), *_ = panels(figures.draw("whitening", study))
    assert np.allclose(before[..., :3], 51 / 255, atol=1 / 255)
    ((pixel, title),) = panels(figures.draw("filters", study))
    assert title == "gray"
    assert (pixel[4, 4, 0], round(pixel[0, 0, 0], 1)) == (1, 0.5)
