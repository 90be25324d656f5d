"""What the figures share: one style, for print and for a dark page, whose colors color-blind readers can tell apart.

The order of the models in the config decides their colors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from ablation.report.figures import MANY
from ablation.report.figures.texts import SIZE, drawn, widest
from ablation.report.study import Study
from ablation.report.wording import TOO_FEW, TOO_WIDE

# A contrast of 3 or more to a white and to a dark page, and further apart, to normal and color-blind eyes, than the
# colors of Okabe and Ito (2008), two of which are too light for white. The last one is the text's.
PALETTE = ["#2d5aff", "#d2780f", "#0f9678", "#d200a5", "#a5874b", "#9678f0", "#000000"]
LIGHT = (PALETTE[0], 0.5)
DARK = "#111111"  # on colors: what is black is light on a dark page
DASHES = ["-", "--"]
MARKERS = ["o", "s"]
BETTER_OR_WORSE = LinearSegmentedColormap.from_list("better_or_worse", ["#a33d00", "#f7f7f7", "#0a6b4f"])  # as verdicts
MAX_CLASSES = 40  # in a matrix that can still be read

matplotlib.rcdefaults()  # whatever a matplotlibrc of the user says
matplotlib.rcParams.update(
    {
        "figure.figsize": (6.0, 3.8),
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.family": ["DejaVu Sans"],  # which Matplotlib brings
        "font.size": SIZE,
        "text.parse_math": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "black",
        "grid.alpha": 0.13,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "pdf.fonttype": 42,  # fonts that a publisher takes
    }
)


@dataclass(frozen=True)
class Bar:
    """An accuracy or a difference of them, and its 95% intervals, as fractions.

    interval: on these images, NaN where there is none; wide: on new images; seeds: the accuracy of each; note: what
    stands beside it, bold if it is to stand out.
    """

    value: float
    interval: tuple[float, float]
    wide: tuple[float, float]
    seeds: Sequence[float] = ()
    note: str = ""
    bold: bool = False


Style = dict[str, Any]
MEAN: Style = {"color": "black", "marker": "|", "linestyle": "", "markersize": 13}
SEED: Style = {"color": PALETTE[1], "marker": "o", "linestyle": "", "markersize": 4.5}
INTERVAL: Style = {"color": PALETTE[0], "linewidth": 2.5, "solid_capstyle": "butt"}
WIDE_INTERVAL: Style = {"color": LIGHT, "linewidth": 7, "solid_capstyle": "butt"}


def model_names(study: Study) -> dict[str, str]:
    """Return the names of a study's models as figures show them."""
    return dict(zip(study.models, drawn(study.models), strict=True))


def series_style(number: int, shapes: Sequence[str]) -> tuple[str, str]:
    """Return a model's color, and one of `shapes`: another one where colors repeat. number: of the model, from 0."""
    return PALETTE[number % len(PALETTE)], shapes[number // len(PALETTE) % len(shapes)]


def legend(figure: Figure, handles: Sequence) -> None:
    """Put a legend beside a figure that has all of some artists: Matplotlib's own leaves out labels as `_name`."""
    figure.legend(handles, [handle.get_label() for handle in handles], loc="outside right upper")


def row_height(rows: int) -> float:
    """Return the height in inches of each of a number of rows, less where there are many."""
    return 0.42 if rows <= MANY else 0.24


def epoch_axis(axes: Axes, epochs: int) -> None:
    """Show epochs as whole numbers, from the first to the last; one alone is in the middle."""
    axes.set(xlabel="epochs", xlim=(0, 2) if epochs == 1 else None)
    axes.xaxis.set_major_locator(FixedLocator([1]) if epochs == 1 else MaxNLocator(integer=True))


def band(axes: Axes, histories: list[pd.DataFrame], column: str, color: str, line: str, label: str) -> None:
    """Draw a column of histories by epoch: its mean over seeds, in a band from their lowest to their highest value.

    histories: DataFrames with the columns of history.csv, one per seed. Nothing is drawn where all values are missing,
    as those of validation are without validation images.
    """
    epochs, values = histories[0]["epoch"], np.array([history[column] for history in histories])
    if np.isnan(values).all():
        return
    low, high = values.min(axis=0), values.max(axis=0)
    axes.plot(epochs, values.mean(axis=0), line, color=color, label=label, marker="o" if len(epochs) == 1 else None)
    if len(epochs) == 1:
        axes.vlines(epochs, low, high, color=color, alpha=0.3, linewidth=5)
    else:
        axes.fill_between(epochs, low, high, color=color, alpha=0.12, linewidth=0)


def image_panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """Return a figure of that size in inches, and its (rows, columns) axes, bare of all but the images drawn there."""
    figure = Figure(figsize=size)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    return figure, panels


def learning_curves(study: Study, model: str, column: str) -> tuple[Figure, Axes]:
    """Return a figure, and its axes, of `column` and val_`column` of a model by epoch, as `band` draws them."""
    figure = Figure()
    axes = figure.subplots()
    histories = study.histories(model)
    band(axes, histories, column, PALETTE[0], "-", column)
    band(axes, histories, f"val_{column}", PALETTE[1], "--", f"val_{column}")
    epoch_axis(axes, len(histories[0]))
    axes.set_title(model_names(study)[model])
    axes.legend()
    return figure, axes


def matrix_figure(
    rows: Sequence[str],
    columns: Sequence[str],
    cell: tuple[float, float],
    panels: int = 1,
    margin: tuple[float, float] = (0.8, 0.8),
    size: float = SIZE,
) -> tuple[Figure, np.ndarray]:
    """Return a figure that has room for matrices side by side, of the same names, and its axes, one per matrix.

    rows, columns: names as they are drawn, in letters of `size` points; cell: width and height in inches; margin: what
    there is beside and above the matrices.
    """
    slanted = 0.75 * widest(columns, size)  # at 45 degrees
    wide = max(cell[0] * len(columns), 2.2) + slanted
    high = max(cell[1] * len(rows), 0.7) + slanted + margin[1]
    figure = Figure(figsize=(max(widest(rows, size) - slanted, 0) + panels * wide + margin[0], high))
    return figure, figure.subplots(1, panels, sharey=True, squeeze=False)[0]


def heatmap(
    axes: Axes,
    values: np.ndarray,
    texts: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
    cmap: str | Colormap,
    size: float = SIZE,
) -> AxesImage:
    """Draw a matrix as colors, with a text in each cell, dark or white as the color wants it; bold if it ends in *.

    values: (rows, columns) floats, colored from limits[0] to limits[1], nothing where NaN; texts: the same of str;
    rows, columns: names as they are drawn, in letters of `size` points.
    """
    image = axes.imshow(values, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto")
    luminance = image.to_rgba(values)[..., :3] @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    for row, column in np.ndindex(values.shape):
        text = texts[row][column]
        weight = "bold" if text.endswith("*") else "normal"
        color = DARK if luminance[row, column] > 0.5 else "white"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, fontweight=weight, color=color)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=size)
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.grid(False)
    return image


def signed(value: float, digits: int) -> str:
    """Return a number in text with its sign, a minus sign and no hyphen; what rounds to zero has none."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def limits_of(values: np.ndarray, smallest: float = 1.0) -> tuple[float, float]:
    """Return the lowest and the highest of some percentages, at least `smallest` apart."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (low, high) if high - low >= smallest else (min(low, 100 - smallest), min(low, 100 - smallest) + smallest)


def first_classes(class_names: Sequence[str] | np.ndarray) -> str:
    """Return what to add to a label where only the first MAX_CLASSES classes are drawn."""
    return f" (first {MAX_CLASSES} of {len(class_names)} classes)" if len(class_names) > MAX_CLASSES else ""


def draw_bar(axes: Axes, place: float, bar: Bar, upright: bool = False) -> None:
    """Draw what is known of one bar at `place`, in percent: an interval that is too wide to tell anything is left out.

    upright: up and down, over a place of the horizontal axis.
    """

    def line(values: Sequence[float], **style: object) -> None:
        ends = [100 * value for value in values], [place] * len(values)
        axes.plot(*(reversed(ends) if upright else ends), **style)

    for ends, style in ((bar.wide, WIDE_INTERVAL), (bar.interval, INTERVAL)):
        if ends[1] - ends[0] < TOO_WIDE:
            line(ends, **style)
    line(bar.seeds, **SEED)
    if len(bar.seeds) != 1:
        line([bar.value], **MEAN | {"marker": "_" if upright else "|"})


def bar_legend(figure: Figure, bars: Sequence[Bar], mean: str) -> None:
    """Put a legend above a figure, of what some bars have. mean: what their values are called."""
    seeds = {len(bar.seeds) for bar in bars}
    widths = [ends[1] - ends[0] for bar in bars for ends in (bar.interval, bar.wide)]
    too_wide = np.nanmax([0, *widths]) >= TOO_WIDE
    entries = [
        ("seed" if seeds != {1} else "the one seed", SEED, max(seeds, default=0) > 0),
        (mean, MEAN, seeds != {1}),
        ("95%, these images", INTERVAL, any(bar.interval[1] - bar.interval[0] < TOO_WIDE for bar in bars)),
        ("95%, new images", WIDE_INTERVAL, any(bar.wide[1] - bar.wide[0] < TOO_WIDE for bar in bars)),
        (f"not drawn: wider than {100 * TOO_WIDE:.0f} points", {"linestyle": ""}, too_wide),
    ]
    handles = [Line2D([], [], label=label, **style) for label, style, there in entries if there]
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if too_wide else len(handles))


def bar_rows(names: Sequence[str], bars: Sequence[Bar], mean: str) -> tuple[Figure, Axes]:
    """Return a figure of bars, in percent, one above the other from below, and its axes. names: as they are drawn."""
    notes = widest((bar.note for bar in bars), 9)
    figure = Figure(figsize=(max(6.5 + widest(names) + notes, 8), 1.3 + row_height(len(bars)) * max(len(bars), 1)))
    axes = figure.subplots()
    for place, bar in enumerate(bars):
        draw_bar(axes, place, bar)
        weight = "bold" if bar.bold else "normal"
        axes.annotate(
            bar.note, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, weight=weight
        )
    axes.set_yticks(range(len(bars)), names)
    axes.set_ylim(-0.7, max(len(bars), 1) - 0.3)
    bar_legend(figure, bars, mean)
    return figure, axes


def accuracy_bar(study: Study, row: pd.Series) -> Bar:
    """Return the accuracy of a model, a row of the table of accuracies."""
    seeds = [run[f"{study.report_on}_accuracy"] for run in study.metrics_of(row["model"])]
    return Bar(row["accuracy"], (row["low"], row["high"]), (row["population_low"], row["population_high"]), seeds)


def difference_bars(study: Study, family: str) -> Figure:
    """Return a figure of the differences of the rows of a family to its model, in points, the lowest first.

    The verdict on these images stands beside each.
    """
    facts = study.facts["families"][family]
    rows = study.comparisons[study.comparisons["family"] == family].sort_values("difference", ascending=False)
    too_few = (rows["verdict"] == TOO_FEW).all()
    bars = [
        Bar(
            row.difference,
            (row.low, row.high),
            (row.population_low, row.population_high),
            note=signed(100 * row.difference, 1) + ("" if too_few else f"  {row.verdict}"),
            bold=row.verdict in ("better", "worse"),
        )
        for row in rows.itertuples()
    ]
    labels = drawn((facts["labels"][row] for row in rows["model"]), inches=4)
    figure, axes = bar_rows(labels, bars, "difference")
    axes.axvline(0, color="black", linewidth=1)
    few = f" ({TOO_FEW} for verdicts)" if too_few and len(rows) else ""
    axes.set(xlabel=f"{study.report_on} accuracy minus that of {drawn([facts['of']])[0]}, points{few}")
    return figure
