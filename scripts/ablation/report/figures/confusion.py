"""Confusion matrix."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import (
    BETTER_OR_WORSE,
    MAX_CLASSES,
    first_classes,
    heatmap,
    matrix_figure,
    model_names,
    signed,
)
from ablation.report.figures.texts import drawn
from ablation.report.study import Study, confusion_counts

SCOPE = "model"
CATEGORY = "Mistakes"
ORDER = 3
ALT = "Confusion matrix of {model} and its difference to the baseline's"
CAPTION = (
    "How the images of each class are classified, in percent of the class, over all seeds. Next to it, for all models"
    " but the baseline: how many images more or fewer than the baseline's, mean over seeds. Green is better (more on"
    " the diagonal, fewer off it), orange is worse; the title says how many more are correct in all. Values under 0.5"
    " are blank."
)


def draw(study: Study, model: str) -> Figure:
    """Return a figure of a model's confusion matrix, and of its difference to the baseline's where that is another."""
    names = drawn(study.class_names)[:MAX_CLASSES]
    predicted, reference = (study.predictions(name).predicted for name in (model, study.baseline))
    counts, before = (
        confusion_counts(of, study.labels, len(study.class_names)).mean(axis=0) for of in (predicted, reference)
    )
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    title = model_names(study)[model]
    panels = [(percent, _texts(percent, "{:.0f}".format), (0, 100), "cividis", "% of each true class")]
    if not np.array_equal(predicted, reference):
        change = counts - before
        more = np.trace(change)
        title += f" ({abs(more):.1f} {'more' if more > 0 else 'fewer'} correct)"
        better = np.where(np.eye(len(change), dtype=bool), change, -change)
        limit = max(np.abs(change).max(), 1)
        texts = _texts(change, lambda value: signed(value, 0))
        panels.append((better, texts, (-limit, limit), BETTER_OR_WORSE, "minus the baseline, images"))
    figure, axes = matrix_figure(names, names, (0.36, 0.36), len(panels), margin=(0.6, 1.2))
    for panel, (values, cells, limits, cmap, kind) in zip(axes, panels, strict=True):
        shown = values[:MAX_CLASSES, :MAX_CLASSES]
        heatmap(panel, shown, cells, names, names, limits, cmap)
        panel.set_title(kind, fontsize=11)
        panel.set(xlabel="predicted" + first_classes(study.class_names))
    axes[0].set(ylabel="true class")
    figure.suptitle(title, fontsize=11)
    return figure


def _texts(values: np.ndarray, text: Callable[[float], str]) -> list[list[str]]:
    """Return the texts of the cells of a matrix, nothing where a value rounds to zero."""
    return [[text(value) if round(value) else "" for value in row] for row in values]
