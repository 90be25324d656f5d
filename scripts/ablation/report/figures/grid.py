"""Accuracy over a grid of settings."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import LIGHT, PALETTE, difference_bars, heatmap
from ablation.report.study import Study

SCOPE = "family"
CATEGORY = "Families"
ORDER = 2
NEEDS = "grid"
ALT = "Test accuracy over the settings of the grid {model}"
CAPTION = (
    "Test accuracy over the settings of a grid. One numeric setting: points are seeds, the line their mean, bars 95%"
    " intervals on these images (narrow) and on new images (wide). Two settings: the mean over seeds, in percent; a"
    " star marks what is distinguishable from the model that the grid is of. Otherwise: differences to that model, in"
    " points. The best of many combinations looks better than it is."
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
    table = study.accuracies.set_index("model")
    figure = Figure(figsize=(7.4, 4.2))
    axes = figure.subplots()
    values = sorted((about[setting], row) for row, about in rows.items())
    means = [100 * table.loc[row, "accuracy"] for _, row in values]
    for value, row in values:
        low, high, wide_low, wide_high = 100 * table.loc[row, ["low", "high", "population_low", "population_high"]]
        seeds = [100 * run[f"{study.report_on}_accuracy"] for run in study.metrics_of(row)]
        axes.plot([value] * 2, [wide_low, wide_high], color=LIGHT, linewidth=7, solid_capstyle="butt")
        axes.plot([value] * 2, [low, high], color=PALETTE[0], linewidth=2.5, solid_capstyle="butt")
        axes.plot([value] * len(seeds), seeds, "o", color=PALETTE[1], markersize=4.5)
    axes.plot([value for value, _ in values], means, "-", color="black", linewidth=1, marker="_", markersize=13)
    if values[0][0] > 0 and values[-1][0] / values[0][0] >= 10:
        axes.set_xscale("log")
    axes.set_xticks([value for value, _ in values], [f"{value:g}" for value, _ in values])
    axes.minorticks_off()
    axes.set(xlabel=setting, ylabel=f"{study.report_on} accuracy, %")
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
    figure = Figure(figsize=(max(6.4, 3.2 + 0.8 * len(names[1])), max(3.4, 2.0 + 0.45 * len(names[0]))))
    axes = figure.subplots()
    limits = (values.min() - 1e-9, values.max() + 1e-9)
    rows, columns = ([_short(name) for name in of] for of in names)
    image = heatmap(axes, values, texts, rows, columns, limits, "cividis")
    axes.set(xlabel=settings[1], ylabel=settings[0], aspect="auto")
    figure.colorbar(image, label=f"{study.report_on} accuracy, %")
    return figure


def _short(name: str) -> str:
    """Return a value as text, without the brackets of a list."""
    return name.strip("[]").removesuffix(".0")
