"""What the figures share: one style, for print and for a dark page, whose colors color-blind readers can tell apart.

The order of the models in the config decides their colors.
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablation.report.study import Study

PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]  # Okabe and Ito, 2008
LIGHT = "#9ecae1"
DASHES = ["-", "--", "-.", ":"]
MARKERS = ["o", "s", "^", "D"]
MAX_CLASSES = 40  # in a matrix that can still be read

Names = Sequence[str] | np.ndarray

matplotlib.rcdefaults()  # whatever a matplotlibrc of the user says
matplotlib.rcParams.update(
    {
        "figure.figsize": (6.4, 4.0),
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "axes.axisbelow": True,
        "legend.frameon": False,
    }
)


def series_style(number: int, shapes: Sequence[str]) -> tuple[str, str]:
    """Return a model's color, and one of `shapes`: another one where colors repeat. number: of the model, from 0."""
    return PALETTE[number % len(PALETTE)], shapes[number // len(PALETTE) % len(shapes)]


def band(axes: Axes, histories: list[pd.DataFrame], column: str, color: str, line: str, label: str) -> None:
    """Draw a column of histories by epoch: its mean over seeds, in a band from their lowest to their highest value.

    histories: DataFrames with the columns of history.csv, one per seed. Nothing is drawn where all values are missing,
    as those of validation are without validation images.
    """
    epochs, values = histories[0]["epoch"], np.array([history[column] for history in histories])
    if np.isnan(values).all():
        return
    axes.plot(epochs, values.mean(axis=0), line, color=color, label=label, marker="o" if len(epochs) == 1 else None)
    axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.12, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def image_panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """Return a figure of that size in inches, and its (rows, columns) axes, bare of all but the images drawn there."""
    figure = Figure(figsize=size)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    return figure, panels


def learning_curves(histories: list[pd.DataFrame], column: str, title: str) -> tuple[Figure, Axes]:
    """Return a figure, and its axes, of `column` and val_`column` by epoch, as `band` draws them."""
    figure = Figure()
    axes = figure.subplots()
    band(axes, histories, column, PALETTE[0], "-", column)
    band(axes, histories, f"val_{column}", PALETTE[1], "--", f"val_{column}")
    axes.set(title=title, xlabel="epochs")
    axes.legend()
    return figure, axes


def heatmap(
    axes: Axes,
    values: np.ndarray,
    texts: Sequence[Sequence[str]],
    rows: Names,
    columns: Names,
    limits: tuple[float, float],
    cmap: str,
) -> AxesImage:
    """Draw a matrix as colors, with a text in each cell, black or white as the color wants it; bold if it ends in *.

    values: (rows, columns) floats, colored from limits[0] to limits[1]; texts: the same of str; rows, columns: names.
    """
    image = axes.imshow(values, cmap=cmap, vmin=limits[0], vmax=limits[1])
    luminance = image.to_rgba(values)[..., :3] @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    for row, column in np.ndindex(values.shape):
        text = texts[row][column]
        weight = "bold" if text.endswith("*") else "normal"
        color = "black" if luminance[row, column] > 0.5 else "white"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, fontweight=weight, color=color)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)
    return image


def signed(value: float, digits: int) -> str:
    """Return a number in text with its sign, a minus sign and no hyphen."""
    return f"{value + 0.0:+.{digits}f}".replace("-", "−")


def first_classes(class_names: Names) -> str:
    """Return what to add to a label where only the first MAX_CLASSES classes are drawn."""
    return f" (first {MAX_CLASSES} of {len(class_names)} classes)" if len(class_names) > MAX_CLASSES else ""


def difference_bars(study: Study, family: str) -> Figure:
    """Return a figure of the differences of the rows of a family to its model, in points, the lowest first.

    Bars are the 95% intervals on these images (narrow) and on new ones (wide); the verdict on these stands beside them.
    """
    facts = study.facts["families"][family]
    rows = study.comparisons[study.comparisons["family"] == family].sort_values("difference", ascending=False)
    figure = Figure(figsize=(9, 1.3 + 0.42 * max(len(rows), 1)))
    axes = figure.subplots()
    bar, wide_bar = {"color": PALETTE[0], "linewidth": 2.5}, {"color": LIGHT, "linewidth": 7}
    point = {"color": "black", "marker": "|", "linestyle": "", "markersize": 13}
    for place, row in enumerate(rows.itertuples()):
        axes.plot([100 * row.population_low, 100 * row.population_high], [place] * 2, solid_capstyle="butt", **wide_bar)
        axes.plot([100 * row.low, 100 * row.high], [place] * 2, solid_capstyle="butt", **bar)
        axes.plot(100 * row.difference, place, **point)
        weight = "bold" if row.verdict in ("better", "worse") else "normal"
        text = f"{signed(100 * row.difference, 1)}  {row.verdict}"
        axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, weight=weight)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), [facts["labels"][row] for row in rows["model"]])
    axes.set(xlabel=f"{study.report_on} accuracy minus that of {facts['of']}, points")
    handles = [
        Line2D([], [], label="difference", **point),
        Line2D([], [], label="95%, these images", **bar),
        Line2D([], [], label="95%, new images", **wide_bar),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure
