"""Confusion matrix."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import MAX_CLASSES, first_classes, heatmap, matrix_figure, model_names, signed
from ablation.report.figures.texts import drawn
from ablation.report.study import Study

SCOPE = "model"
CATEGORY = "Mistakes"
ORDER = 3
ALT = "Confusion matrix of {model} and its difference to the baseline's"
CAPTION = (
    "What the images of each class are taken for, in percent of the class, and, for all models but the baseline, the"
    " change from the baseline, in points; all seeds together. Cells under 0.5 are blank."
)


def draw(study: Study, model: str) -> Figure:
    """Return a figure of a model's confusion matrix, and of its difference to the baseline's where that is another."""
    names = drawn(study.class_names)[:MAX_CLASSES]
    predicted, reference = (study.predictions(name).predicted for name in (model, study.baseline))
    matrix = confusion_matrix(predicted, study.labels, len(study.class_names))
    change = matrix - confusion_matrix(reference, study.labels, len(study.class_names))
    limit = max(np.abs(change).max(), 0.1)
    texts = [[f"{value:.0f}" if round(value) else "" for value in row] for row in matrix]
    panels = [(matrix, texts, (0, 100), "cividis", "% of each true class")]
    if not np.array_equal(predicted, reference):
        texts = [[signed(value, 0) if round(value) else "" for value in row] for row in change]
        panels.append((change, texts, (-limit, limit), "PuOr", "minus the baseline, points"))
    figure, axes = matrix_figure(names, names, (0.36, 0.36), len(panels), margin=(0.6, 1.2))
    for panel, (values, cells, limits, cmap, kind) in zip(axes, panels, strict=True):
        heatmap(panel, values, cells, names, names, limits, cmap)
        panel.set_title(kind, fontsize=11)
        panel.set(xlabel="predicted" + first_classes(study.class_names))
    axes[0].set(ylabel="true class")
    figure.suptitle(model_names(study)[model], fontsize=11)
    return figure


def confusion_matrix(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix of all seeds together, in percent of the images of each true class, a row each.

    predicted: (seeds, images) labels; labels: (images,). Only the first MAX_CLASSES rows and columns are returned; a
    class that has no image is a row of zeros.
    """
    counts = np.bincount((labels * classes + predicted).ravel(), minlength=classes**2).reshape(classes, classes)
    return (100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[:MAX_CLASSES, :MAX_CLASSES]
