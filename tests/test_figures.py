"""The figures show what was given; and odd studies have figures too."""

import base64
import io
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from ablation.keys import bears
from ablation.report import figures, statistics, table
from ablation.report.figures import MANY, svg
from ablation.report.figures import texts as user_texts
from ablation.report.figures.calibration import reliability
from ablation.report.figures.style import DARK, LIGHT, MAX_CLASSES, PALETTE
from ablation.report.study import Study
from conftest import ROOT
from test_table import ACCURACIES, MODELS, a_study

NAMES = np.array(["cat", "dog", "frog"])


def history(offset=0.0, epochs=3):
    epoch = np.arange(1, epochs + 1)
    columns = ("loss", "accuracy", "val_loss", "val_accuracy")
    return pd.DataFrame({"epoch": epoch, **{name: 0.1 * epoch + offset for name in columns}})


def study_of(histories):
    return SimpleNamespace(models=list(histories), histories=histories.get)


def whole_study(
    models=("a", "b"),
    classes=("cat", "dog", "frog"),
    seeds=3,
    epochs=3,
    images=60,
    validation=True,
    right=0.8,
    answers=None,
    labels_of_rows=None,
    files=None,
):
    """A study with all that figures read, whose runs answer at random; the first model is the baseline.

    right: how often they are right; answers: the classes that they choose from, all by default; labels_of_rows: of the
    rows of its families, all models but the baseline.
    """
    rng = np.random.default_rng(0)
    models, answers = list(models), np.arange(len(classes)) if answers is None else np.array(answers)
    labels = np.arange(images) % len(classes)
    predicted, probabilities, histories = {}, {}, {}
    for model in models:
        guess = rng.choice(answers, (seeds, images))
        other = np.where(guess == labels, answers[0] if right else (labels + 1) % len(classes), guess)
        predicted[model] = np.where(rng.random((seeds, images)) < right, labels, other)
        confidence = np.zeros((seeds, images, len(classes)))
        np.put_along_axis(confidence, predicted[model][..., None], rng.uniform(0.5, 1, (seeds, images, 1)), axis=2)
        probabilities[model] = confidence.astype(np.float16)
        of_model = [history(0.01 * seed + 0.1 * rng.random(), epochs) for seed in range(seeds)]
        histories[model] = [
            each if validation else each.assign(val_loss=np.nan, val_accuracy=np.nan) for each in of_model
        ]
    scores = {model: statistics.SeedScores.from_correct(predicted[model] == labels) for model in models}
    rows = {model: {"dropout": 0.1 * number} for number, model in enumerate(models)}
    family = {"of": models[0], "rows": rows, "labels": labels_of_rows or {model: f"with {model}" for model in models}}
    families = {kind: family | {"kind": kind, "compared": models[1:]} for kind in ("ablate", "grid") if models[1:]}
    compared = {name: (family["of"], family["compared"]) for name, family in families.items()}
    chance = statistics.chance_level(labels)
    comparisons = statistics.comparisons(scores, models[0], compared, statistics.at_chance(scores, chance))
    metrics = [
        {
            "model": model,
            "seed": seed,
            "parameters": 10_000 * (1 + number % 5),
            "test_loss": 1.0,
            "test_accuracy": scores[model].by_seed[seed],
            "test_time_augmentation": "none",
            "test_accuracy_no_tta": scores[model].by_seed[seed],
            "seconds": 60.0 + number,
        }
        for number, model in enumerate(models)
        for seed in range(seeds)
    ]
    of_models = {model: MODELS["a"] for model in models}
    study = SimpleNamespace(
        models=models,
        baseline=models[0],
        report_on="test",
        facts={"families": families, "models": of_models},
        labels=labels,
        class_names=np.array(classes),
        images=rng.integers(0, 256, (images, 8, 8, 3), dtype=np.uint8),
        image_files=files,
        histories=histories.get,
        predictions=lambda model: SimpleNamespace(predicted=predicted[model], probabilities=probabilities[model]),
        metrics_of=lambda model: [run for run in metrics if run["model"] == model],
        comparisons=comparisons,
        accuracies=table.accuracy_table(metrics, of_models, scores, comparisons, "test", chance, {}),
        whitening=SimpleNamespace(
            images=rng.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8),
            whitened=rng.normal(size=(12, 8, 8, 3)).astype(np.float32),
            labels=labels[:12],
            filters=rng.normal(size=(3, 8, 8, 3)),
            eigenvalues=np.geomspace(1, 1e-6, 20),
            epsilon=1e-3,
        ),
    )
    study.mistakes = lambda model: Study.mistakes(study, model)
    return study


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


@pytest.mark.parametrize(("models", "named"), [(100, 100), (101, 11)])
def test_models_have_figures_of_their_own_or_the_best_and_the_baseline(models, named):
    names = [f"model{number}" for number in range(models)]
    families = {"f": {"kind": "grid"}, "g": {"kind": "ablate"}, "h": {"kind": "grid"}}
    facts = {"models": dict.fromkeys(names), "families": families, "baseline": names[-1]}
    expected = names if named == models else [*map(str, range(1, 11)), names[-1]]
    assert {name: figures.names(name, facts) for name in ("confusion", "grid", "cost", "whitening")} == {
        "confusion": expected,
        "grid": ["f", "h"],
        "cost": [],
        "whitening": [],
    }
    assert len(expected) == named


def test_the_catalogue_needs_no_matplotlib():
    """Whoever plans a study reads it."""
    code = "import sys; from ablation.report.figures import catalogue; catalogue(); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, check=True).stdout
    assert not {"matplotlib", "pandas", "scipy"} & set(printed.decode().split())


KEY = "0123456789abcdef"


@pytest.mark.parametrize("suffix", figures.FORMATS)
def test_a_figure_bears_its_key_at_its_end_and_is_the_same_bytes_each_time(suffix, tmp_path):
    path, written = tmp_path / f"mistakes_a.{suffix}", set()
    for others in ([], figures.FORMATS):  # saved before
        figure = figures.draw("mistakes", whole_study(), "a")
        for other in others:
            figures.save(figure, tmp_path / f"other.{other}", KEY)
        figures.save(figure, path, KEY)
        written.add(path.read_bytes())
    (content,) = written
    assert bears(path, KEY) and content.count(KEY.encode()) == 1
    path.write_bytes(content[: -20 if suffix == "png" else -6])
    assert not bears(path, KEY)


def test_a_figure_can_be_read_in_all_formats(tmp_path):
    figure = figures.draw("mistakes", whole_study(), "a")
    for suffix in figures.FORMATS:
        figures.save(figure, tmp_path / f"m.{suffix}", KEY)
    with Image.open(tmp_path / "m.png") as picture:
        picture.load()
        assert picture.size == (1122, 253)
    assert ElementTree.parse(tmp_path / "m.svg").getroot().get("viewBox") == "0 0 734.4 165.6"
    assert (tmp_path / "m.pdf").read_bytes().startswith(b"%PDF") and b"%%EOF" in (tmp_path / "m.pdf").read_bytes()[-60:]


def svg_of(name, study, of=None):
    return ElementTree.fromstring(svg.svg_of(figures.draw(name, study, of), name if of is None else f"{name}_{of}"))


def styles(root):
    """Return the style of each element of an SVG."""
    return [dict(entry.split(":") for entry in element.get("style", "").split(";") if entry) for element in root.iter()]


def test_an_svg_takes_over_the_color_and_the_font_of_its_page():
    study = whole_study(models=list("abcdefg"))
    for name, of in (("accuracies", None), ("curves", None), ("confusion", "b"), ("whitening", None)):
        root = svg_of(name, study, of)
        assert (root.get("fill"), root.get("color"), root.get("role")) == ("currentColor", "black", "img")
        assert all(element.attrib for element in root.iter() if element.tag == f"{{{svg.SVG}}}g")
        found = styles(root)
        assert not any("font-family" in style for style in found)
        assert not {"#000000", "black"} & {value for style in found for value in style.values()}
        assert not any(element.tag.endswith("}style") for element in root.iter())
        rectangles = [style.get("fill") for style in found if style.get("fill") in ("#ffffff", "white")]
        assert len(rectangles) == sum(style.get("fill") == "#ffffff" and "font-size" in style for style in found)
    texts = [element for element in svg_of("confusion", study, "b").iter() if element.tag.endswith("}text")]
    assert {"predicted", "cat"} <= {text.text for text in texts}
    assert {"#111111", "#ffffff"} <= {style.get("fill") for style in styles(svg_of("confusion", study, "b"))}


def test_no_two_svgs_have_an_id_in_common_and_each_is_referred_to():
    study, seen = whole_study(), set()
    for name, info in figures.catalogue().items():
        for of in figures.names(name, study.facts) or ([] if info.scope in ("family", "model") else [None]):
            root = svg_of(name, study, of)
            ids = [element.get("id") for element in root.iter() if element.get("id")]
            assert len(ids) == len(set(ids)) and not seen & set(ids), (name, of)
            seen |= set(ids)
            whole = ElementTree.tostring(root, encoding="unicode")
            assert all(f"#{one}" in whole for one in ids)
            assert {link for link in re.findall(r'(?:url\(|href=")#(\w+)', whole)} == set(ids), (name, of)


def test_texts_of_the_user_stand_in_an_svg_as_they_are():
    name = '</g> id="x" &lt; #000000'
    whole = svg.svg_of(figures.draw("loss", study_of({name: [history()]}), name), "loss")
    assert name in [element.text for element in ElementTree.fromstring(whole).iter()]


def test_small_images_are_in_an_svg_as_they_are():
    images = [element for element in svg_of("whitening", whole_study()).iter() if element.tag.endswith("}image")]
    sizes = set()
    for image in images:
        encoded = image.get("{http://www.w3.org/1999/xlink}href").split(",")[1]
        sizes.add(Image.open(io.BytesIO(base64.b64decode(encoded))).size)
    assert sizes == {(8, 8)}


def luminance(color):
    """Return the relative luminance of a color, as WCAG 2 defines it."""
    values = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_colors_can_be_told_from_white_and_from_a_dark_page():
    template = (ROOT / "scripts/ablation/report/page.html.j2").read_text()
    pages = {*re.findall(r"--(?:page|card): (#\w+)", template), "#ffffff"}
    assert len(pages) == 4
    for color in [*PALETTE[:-1], "#777777"]:
        for page in pages:
            dark, light = sorted([luminance(color), luminance(page)])
            assert (light + 0.05) / (dark + 0.05) >= 3, (color, page)


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
    losses, _ = figures.draw("curves", study_of({f"m{number}": [history()] for number in range(MANY)})).axes
    styles = {(line.get_color(), line.get_linestyle()) for line in losses.get_lines()}
    assert len(styles) == MANY


def test_accuracies_are_drawn_with_both_intervals():
    """The narrow bar is the interval on these images, the wide and lighter one that on new images."""
    study = study_of_table(ACCURACIES)
    figure = figures.draw("accuracies", study)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["c", "a", "b"]  # from below
    for row, place in zip(study.accuracies[::-1].itertuples(), axes.get_yticks(), strict=True):
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
    mean = next(line for line in axes.get_lines() if line.get_linestyle() == "-" and line.get_color() == "black")
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
    (axes,) = figures.draw("ablation", study, "f").axes
    assert texts(axes) == ["+10.0", "−1.0"]
    assert axes.get_xlabel() == "test accuracy minus that of a, points (too few seeds for verdicts)"  # said once


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


def test_confusions_in_percent_of_the_true_class_and_their_change_in_images_of_a_seed():
    labels = [0, 0, 1, 1, 2, 2]
    study = study_of_predictions(labels, m=[[0, 1, 1, 1, 2, 2], [0, 1, 1, 1, 1, 2]], baseline=[labels, labels])
    figure = figures.draw("confusion", study, "m")
    matrix, difference = figure.axes
    assert texts(matrix) == ["50", "50", "100", "25", "75"]
    assert texts(difference) == ["−1", "+1"]  # and half an image is no text
    assert figure.get_suptitle() == "m (1.5 fewer correct)"
    assert len(figures.draw("confusion", study, "baseline").axes) == 1


def test_changes_of_a_confusion_are_green_where_they_are_better():
    study = study_of_predictions([0, 0, 1, 1], NAMES[:2], m=[[0, 0, 0, 0]], baseline=[[0, 1, 1, 1]])
    _, difference = figures.draw("confusion", study, "m").axes
    better = difference.images[0].get_array().tolist()
    assert better == [[1, 1], [-2, -2]]  # more and fewer of the first class, fewer and more of the second
    assert texts(difference) == ["+1", "−1", "+2", "−2"]
    red, green, _, _ = np.moveaxis(difference.images[0].to_rgba(difference.images[0].get_array()), -1, 0)
    assert ((green > red) == (np.array(better) > 0)).all()


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
    assert [text.get_color() for text in axes.texts] == ["white", DARK, "white"]  # 50%, 100%, 0% of cividis


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
    assert figures.draw("mistakes", none, "m").get_suptitle() == "m: no mistakes by the mean over seeds"


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


def test_long_names_of_classes_are_cut_to_the_width_of_an_image():
    images = np.zeros((2, 16, 16, 3), np.uint8)
    names = ["small", " ".join("abcdefghijklmnopqrstuvwxyz")]
    whitening = SimpleNamespace(images=images, whitened=images.astype(np.float32), labels=np.array([1, 0]))
    figure = figures.draw("whitening", SimpleNamespace(class_names=names, whitening=whitening))
    for axes, name in zip(figure.axes, user_texts.drawn(names, inches=0.8, size=9)[::-1], strict=False):
        assert (axes.get_title(), axes.title.get_fontsize()) == (name, 9)


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
    assert re.fullmatch(r"x+…x+_0017\.png", long.splitlines()[-1])
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


HOSTILE = [
    "$_$",
    "_hidden",
    r"50%\frac{1}{2}",
    "a\nb\tc",
    "bell\a",
    "שלום עולם",
    "مرحبا بالعالم",
    "日本語の猫",
    "🐱 {cat} <&>",
    "W" * 40 + "1" + "W" * 44,
    "W" * 40 + "2" + "W" * 44,
    "x" * 84 + "3",
]
STUDIES = {
    "one model": {"models": ["a"]},
    "one seed": {"seeds": 1},
    "one seed, one epoch, few images": {"seeds": 1, "epochs": 1, "images": 20},
    "sixty models": {"models": [f"model{number}" for number in range(60)], "seeds": 2},
    "as many models as colors": {"models": ["m" * 63 + letter for letter in "abcdefghijklmn"], "seeds": 2},
    "names of 64 letters": {"models": ["W" * 64, "m" * 31 + "1" + "m" * 32, "m" * 31 + "2" + "m" * 32]},
    "hostile names": {"classes": HOSTILE, "images": 120, "labels_of_rows": {"a": "", "b": "_$x$ " + "long " * 30}},
    "two classes": {"classes": ["no", "yes"]},
    "two hundred classes": {"classes": [f"class number {n} of them" for n in range(200)], "images": 600, "seeds": 1},
    "no validation": {"validation": False},
    "nothing wrong": {"right": 1.0},
    "everything wrong": {"right": 0.0},
    "classes never answered": {"right": 0.4, "answers": [0]},
}


def written(figure):
    """The texts of a figure that are there to be seen."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for text in (figure._suptitle, figure._supxlabel):
        found += [text] if text and text not in found else []
    for axes in figure.axes:
        found += [axes.title, *axes.texts]
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label]
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                found += [label for tick in ticks for label in (tick.label1, tick.label2) if label.get_visible()]
        if axes.get_legend():
            found += axes.get_legend().get_texts()
    return [text for text in found if text.get_text().strip()]


@pytest.mark.parametrize("case", STUDIES)
def test_every_figure_of_any_study_is_drawn_with_all_its_texts_in_sight(case):
    study = whole_study(**STUDIES[case])
    for name, info in figures.catalogue().items():
        for of in figures.names(name, study.facts)[:2] or ([] if info.scope in ("family", "model") else [None]):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                figure = figures.draw(name, study, of)
                figure.draw_without_rendering()
            whole, straight = figure.bbox, []
            for text in written(figure):
                box = text.get_window_extent()
                inside = min(box.x0, box.y0) > -2 and box.x1 < whole.x1 + 2 and box.y1 < whole.y1 + 2
                assert inside, (name, of, text.get_text(), box, whole)
                if text.get_rotation() == 0:
                    straight.append((text.get_text(), box.padded(-1)))
            for number, (text, box) in enumerate(straight):
                over = [other for other, its_box in straight[number + 1 :] if box.overlaps(its_box)]
                assert not over, (name, of, text, over)
            for axes in figure.axes:
                ticks = [tick.label1 for tick in axes.xaxis.get_major_ticks() if tick.label1.get_rotation() == 45]
                places = sorted(label.get_transform().transform((label.get_position()[0], 0))[0] for label in ticks)
                if len(places) > 1:
                    apart = min(np.diff(places)) * 0.7
                    assert apart > 0.9 * ticks[0].get_size() * figure.dpi / 72, (name, of, apart)


def test_texts_of_the_user_are_drawn_as_they_are_and_no_two_alike():
    names = [
        *HOSTILE,
        "a b c",
        "a\u200b",
        "a",
        *(f"{'y' * 90}{number}{'z' * 90}" for number in range(12)),
        "e\u0301",
        "",
    ]
    drawn = user_texts.drawn(names)
    assert drawn[:7] == ["$_$", "_hidden", r"50%\frac{1}{2}", "a b c", "bell�", "שלום עולם", "مرحبا بالعالم"]
    assert len(set(drawn)) == len(names)
    assert user_texts.widest(drawn) <= user_texts.NAME
    assert drawn[12:15] == ["a b c (2)", "a", "a (2)"] and drawn[-2] == "é"
    assert user_texts.widest(user_texts.drawn(names, 1, 9), 9) <= 1


def test_a_text_is_shortened_where_it_is_too_wide_in_its_own_size():
    text = "as wide as that"
    inches = (user_texts.width(text, 9) + user_texts.width(text, 11)) / 2
    assert user_texts.drawn([text], inches, 9) == [text]
    (shortened,) = user_texts.drawn([text], inches, 11)
    assert "…" in shortened and user_texts.width(shortened, 11) <= inches


def test_a_text_is_no_mathtext_and_a_legend_hides_none():
    figure = figures.draw("curves", study_of({"_$x_1$": [history()], "m$": [history()]}))
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_$x_1$", "m$"]
    assert not any(text.get_parse_math() for text in figure.findobj(matplotlib.text.Text))


@pytest.fixture
def a_font(tmp_path):
    """A font with no other letter than a small ku of the Ainu, which DejaVu Sans lacks."""
    builder, pen = FontBuilder(1000), TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder.setupGlyphOrder([".notdef", "ku"])
    builder.setupCharacterMap({ord("ㇰ"): "ku"})
    builder.setupGlyf({".notdef": square, "ku": square})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "ku": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=0)
    builder.setupNameTable({"familyName": "Small Ku", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "ku.ttf")
    return str(tmp_path / "ku.ttf")


def test_a_font_of_the_machine_is_used_or_one_line_says_that_there_is_none(a_font, monkeypatch, caplog):
    monkeypatch.setattr(user_texts, "without_font", set())
    monkeypatch.setitem(matplotlib.rcParams, "font.family", ["DejaVu Sans"])
    study = whole_study(classes=["cat", "ㇰ", "ㇰㇰ"])
    monkeypatch.setattr(user_texts.font_manager, "findSystemFonts", lambda: [])
    assert user_texts.drawn(["ㇰ", "ㇱ"]) == ["□", "□ (2)"]
    assert [record.getMessage() for record in caplog.records] == ["no font on this machine has ㇰ ㇱ: drawn as □"]
    figure = figures.draw("classes", study)
    assert figure.get_supxlabel() == "□: a character that no font of the machine has that drew this"
    monkeypatch.setattr(user_texts, "without_font", set())
    monkeypatch.setattr(user_texts.font_manager, "findSystemFonts", lambda: [a_font])
    assert user_texts.drawn(["ㇰ", "猫"]) == ["ㇰ", "□"]
    assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "Small Ku"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.draw("classes", study)
        figure.draw_without_rendering()
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["cat", "ㇰ", "ㇰㇰ"]
    assert not figure.get_supxlabel()


def test_legends_name_what_is_drawn():
    def named(figure):
        return [text.get_text() for text in figure.legends[0].get_texts()]

    one = study_of_table(ACCURACIES, 1, families=a_family("ablate", {"b": {}}, b="B"))
    assert named(figures.draw("accuracies", one)) == ["the one seed", "95%, new images"]
    assert named(figures.draw("ablation", one, "f")) == ["difference", "95%, new images"]
    wide = study_of_table({"a": [0.1, 0.9], "b": [0.5, 0.51]}, 2)
    figure = figures.draw("accuracies", wide)
    assert "not drawn: wider than 50 points" in named(figure)
    bars = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "-"]
    assert max(np.ptp(line.get_xdata()) for line in bars) < 50


def test_one_epoch_is_in_the_middle_of_its_axis():
    for name, of in (("loss", "m"), ("accuracy", "m"), ("curves", None)):
        for axes in figures.draw(name, study_of({"m": [history(epochs=1)]}), of).axes:
            assert axes.get_xlim() == (0, 2) and axes.get_xticks().tolist() == [1]


def test_bins_of_few_images_are_not_drawn_but_count():
    confidences = np.array([0.95] * 20 + [0.55] * 3)
    probabilities = np.stack([confidences, 1 - confidences], axis=1)[None]
    study = study_of_predictions(np.zeros(23, int), probabilities=probabilities, m=[[0] * 20 + [1] * 3])
    figure = figures.draw("calibration", study)
    (drawn,) = [line for line in figure.axes[0].get_lines() if line.get_label() != "calibrated"]
    assert drawn.get_xdata() == pytest.approx([0.95])
    assert drawn.get_label() == f"m  ({100 * (20 * 0.05 + 3 * 0.55) / 23:.1f} points)"


def test_sixty_models_are_all_named_in_figures_made_for_many():
    study = whole_study(**STUDIES["sixty models"])
    for name in ("accuracies", "curves", "calibration", "cost", "classes", "differences"):
        labels = {label.get_text().split("  ")[0] for label in figures.draw(name, study).axes[0].get_yticklabels()}
        assert labels == set(study.models), name


def test_colors_of_values_that_are_all_equal_have_an_axis_that_can_be_read():
    figure = figures.draw("classes", whole_study(right=1.0))
    figure.draw_without_rendering()
    assert not figure.axes[1].yaxis.get_offset_text().get_text()
    assert figure.axes[0].images[0].get_clim() == (99, 100)
