"""Accuracy against cost."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablation.report.figures import MANY
from ablation.report.figures.style import (
    LIGHT,
    MARKERS,
    PALETTE,
    accuracy_bar,
    bar_legend,
    draw_bar,
    legend,
    model_names,
    row_height,
    series_style,
)
from ablation.report.figures.texts import widest
from ablation.report.study import Study
from ablation.report.wording import TOO_WIDE

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 6
ALT = "Accuracy against parameters and against training time"
CAPTION = (
    "Test accuracy against the number of trainable parameters and against the time of one training on the machine"
    " that trained it, as if every epoch took as long as the fastest one, since other work slows epochs down. Up and"
    " to the left is better; bars are 95% intervals on new images. Models of one size stand side by side, the first"
    " of them at its number of parameters. With many models, each has a row, best first."
)
UNITS = {"parameters": (1e6, "million parameters"), "training_seconds": (60, "minutes of training")}


def draw(study: Study) -> Figure:
    """Return a figure of test accuracy, in percent, against trainable parameters and against minutes of training.

    Models with the same number of parameters are drawn next to each other.
    """
    if len(study.models) > MANY:
        return _rows(study)
    table, names = study.accuracies.set_index("model", drop=False), model_names(study)
    figure = Figure(figsize=(5.8 + widest(names.values()), 4.6))
    panels = figure.subplots(1, 2, sharey=True)
    step = 0.015 * table["parameters"].max() / 1e6
    same_size: dict[int, int] = {}
    for number, model in enumerate(study.models):
        row = table.loc[model]
        percent, low, high = (100 * row[name] for name in ("accuracy", "population_low", "population_high"))
        bar = [[percent - low], [high - percent]] if high - low < 100 * TOO_WIDE else None
        color, marker = series_style(number, MARKERS)
        place = same_size[row["parameters"]] = same_size.get(row["parameters"], -1) + 1
        shift = {"parameters": step * place, "training_seconds": 0.0}
        for axes, (column, (unit, _)) in zip(panels, UNITS.items(), strict=True):
            x = row[column] / unit + shift[column]
            axes.errorbar(x, percent, bar, fmt=marker, color=color, capsize=3, label=names[model])
    panels[0].set(ylabel=f"{study.report_on} accuracy, %")
    _label_axes(panels)
    legend(figure, panels[0].containers)
    return figure


def _rows(study: Study) -> Figure:
    """Return a figure of a row per model, best first: accuracy, parameters, and minutes of training."""
    table, names = study.accuracies[::-1], model_names(study)
    figure = Figure(figsize=(8 + widest(names.values()), 1.5 + row_height(len(table)) * len(table)))
    accuracy, *panels = figure.subplots(1, 3, sharey=True, width_ratios=(2, 1, 1))
    bars = [accuracy_bar(study, row) for _, row in table.iterrows()]
    for place, bar in enumerate(bars):
        draw_bar(accuracy, place, bar)
    bar_legend(figure, bars, "mean")
    for axes, (column, (unit, _)) in zip(panels, UNITS.items(), strict=True):
        axes.hlines(range(len(table)), 0, table[column] / unit, color=LIGHT, linewidth=2)
        axes.plot(table[column] / unit, range(len(table)), "o", color=PALETTE[0], markersize=4.5)
    accuracy.set(xlabel=f"{study.report_on} accuracy, %", ylim=(-0.7, len(table) - 0.3))
    accuracy.set_yticks(range(len(table)), [names[model] for model in table["model"]])
    _label_axes(panels)
    return figure


def _label_axes(panels: list[Axes]) -> None:
    for axes, (_, label) in zip(panels, UNITS.values(), strict=True):
        axes.set_xlim(
            0, 1.05 * axes.dataLim.x1 or 1
        )  # Matplotlib's own margin is a fraction of the points' spread alone
        axes.set(xlabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(4))
