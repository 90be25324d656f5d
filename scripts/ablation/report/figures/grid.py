"""Accuracy over a grid of settings."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures import MANY
from ablation.report.figures.style import (
    accuracy_bar,
    bar_legend,
    difference_bars,
    draw_bar,
    heatmap,
    limits_of,
    matrix_figure,
)
from ablation.report.figures.texts import drawn
from ablation.report.study import Study

SCOPE = "family"
CATEGORY = "Families"
ORDER = 2
NEEDS = "grid"
ALT = "Test accuracy over the settings of the grid {model}"
CAPTION = (
    "Test accuracy over the settings of a grid. For one numeric setting: points are seeds, the line their mean, bars"
    " 95% intervals on these images (narrow) and on new images (wide). For two settings: the mean over seeds, in"
    " percent; a star marks what is distinguishable from the grid's own model. Otherwise: differences from that model,"
    " in points. The best of many combinations looks better than it is."
)


def draw(study: Study, family: str) -> Figure:
    """Return a figure of a grid: a line over one numeric setting, a matrix of two settings, differences otherwise."""
    facts = study.facts["families"][family]
    settings = list(dict.fromkeys(key for about in facts["rows"].values() for key in about))
    complete = all(len(about) == len(settings) for about in facts["rows"].values())
    if len(settings) == 1 and all(isinstance(about[settings[0]], int | float) for about in facts["rows"].values()):
        return _line(study, facts["rows"], settings[0])
    if len(settings) == 2 and complete:
        return _matrix(study, family, settings)
    return difference_bars(study, family)


def _line(study: Study, rows: dict[str, dict], setting: str) -> Figure:
    """Return a figure of accuracy in percent over the values of a setting."""
    table = study.accuracies.set_index("model", drop=False)
    values = sorted((about[setting], row) for row, about in rows.items())
    figure = Figure(figsize=(7.4, 4.4))
    axes = figure.subplots()
    bars = [accuracy_bar(study, table.loc[row]) for _, row in values]
    for (value, _), bar in zip(values, bars, strict=True):
        draw_bar(axes, value, bar, upright=True)
    axes.plot([value for value, _ in values], [100 * bar.value for bar in bars], "-", color="black", linewidth=1)
    bar_legend(figure, bars, "mean")
    if values[0][0] > 0 and values[-1][0] / values[0][0] >= 10:
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    if len(values) <= MANY:
        slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(values) > 6 else {}
        axes.set_xticks([value for value, _ in values], [f"{value:g}" for value, _ in values], **slanted)
    axes.minorticks_off()
    axes.set(xlabel=drawn([setting])[0], ylabel=f"{study.report_on} accuracy, %")
    return figure


def _matrix(study: Study, family: str, settings: list[str]) -> Figure:
    """Return a figure of mean accuracy in percent, the values of one setting in rows, those of the other in columns."""
    facts, table = study.facts["families"][family], study.accuracies.set_index("model")
    compared = study.comparisons[study.comparisons["family"] == family].set_index("model")
    names = [list(dict.fromkeys(str(about[key]) for about in facts["rows"].values())) for key in settings]
    values = np.zeros((len(names[0]), len(names[1])))
    texts = [["" for _ in names[1]] for _ in names[0]]
    for row, about in facts["rows"].items():
        place = tuple(of.index(str(about[key])) for of, key in zip(names, settings, strict=True))
        values[place] = 100 * table.loc[row, "accuracy"]
        star = "*" if row in compared.index and compared.loc[row, "verdict"] in ("better", "worse") else ""
        texts[place[0]][place[1]] = f"{values[place]:.1f}{star}"
    rows, columns = (drawn(_short(name) for name in of) for of in names)
    figure, (axes,) = matrix_figure(rows, columns, (0.8, 0.45), margin=(2.2, 0.8))
    image = heatmap(axes, values, texts, rows, columns, limits_of(values, 0.1), "cividis")
    axes.set(xlabel=drawn(settings)[1], ylabel=drawn(settings)[0])
    figure.colorbar(image, label=f"{study.report_on} accuracy, %")
    return figure


def _short(name: str) -> str:
    """Return a value as text, without the brackets of a list."""
    return name.strip("[]").removesuffix(".0")
