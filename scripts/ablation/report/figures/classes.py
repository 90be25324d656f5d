"""Accuracy by class."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import MAX_CLASSES, first_classes, heatmap, limits_of, matrix_figure, model_names
from ablation.report.figures.texts import drawn
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 4
WIDE = True
ALT = "Accuracy by class and model"
CAPTION = (
    "Fraction of each class's test images that is classified correctly, in percent, all seeds together. Columns that"
    " are dark throughout are classes that all models find hard."
)


def draw(study: Study) -> Figure:
    """Return a figure of accuracy by class and model, in percent."""
    classes = np.unique(study.labels)[:MAX_CLASSES]
    correct = [study.predictions(model).predicted == study.labels for model in study.models]
    values = np.array([[100 * hits[:, study.labels == label].mean() for label in classes] for hits in correct])
    names, rows = drawn(study.class_names), list(model_names(study).values())
    columns = [names[label] for label in classes]
    figure, (axes,) = matrix_figure(rows, columns, (0.5 if len(columns) <= 20 else 0.36, 0.36), margin=(1.8, 0.6))
    texts = [[f"{value:.0f}" for value in row] for row in values]
    image = heatmap(axes, values, texts, rows, columns, (limits_of(values)[0], 100), "cividis")
    axes.set(xlabel=first_classes(study.class_names))
    figure.colorbar(image, label="% correct")
    return figure
