"""Accuracy by model."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablation.report.figures.style import LIGHT, PALETTE
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 1
ALT = "Test accuracy of every model: seeds as points, intervals as bars"
CAPTION = (
    "Test accuracy. A point is a seed, the tick their mean. With several seeds the narrow bar is the 95% interval of"
    " the mean on these test images; the wide bar is that on new images, with one seed that of this one network."
    " Chance, a broken line where it is in sight, is always to answer the most frequent class. Overlapping bars don't"
    " prove a tie, nor disjoint bars a difference: the verdicts are about differences."
)


def draw(study: Study) -> Figure:
    """Return a figure of test accuracy by model, in percent, best first: seeds as points, both intervals as bars."""
    table = study.accuracies
    figure = Figure(figsize=(8, 1.2 + 0.42 * len(table)))
    axes = figure.subplots()
    bar, wide_bar = {"color": PALETTE[0], "linewidth": 2.5}, {"color": LIGHT, "linewidth": 7}
    point = {"color": PALETTE[1], "marker": "o", "linestyle": "", "markersize": 4.5}
    tick = {"color": "black", "marker": "|", "linestyle": "", "markersize": 13}
    places = np.arange(len(table))[::-1]
    for place, row in zip(places, table.itertuples(), strict=True):
        seeds = [100 * run[f"{study.report_on}_accuracy"] for run in study.metrics_of(row.model)]
        wide_interval = [100 * row.population_low, 100 * row.population_high]
        axes.plot(wide_interval, [place] * 2, solid_capstyle="butt", **wide_bar)
        axes.plot([100 * row.low, 100 * row.high], [place] * 2, solid_capstyle="butt", **bar)
        axes.plot(seeds, [place] * len(seeds), **point)
        axes.plot(100 * row.accuracy, place, **tick)
    handles = [
        Line2D([], [], label="seed", **point),
        Line2D([], [], label="mean", **tick),
        Line2D([], [], label="95%, these images", **bar),
        Line2D([], [], label="95%, new images", **wide_bar),
    ]
    chance = 100 * table["chance_level"].iloc[0]
    if chance >= axes.get_xlim()[0]:
        axes.axvline(chance, color="#777777", linestyle="--", linewidth=1)
    axes.set(xlabel=f"{study.report_on} accuracy, % (chance: {chance:.1f})")
    axes.set_yticks(places, table["model"])
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure
