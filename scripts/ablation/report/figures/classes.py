"""Accuracy by class."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import MAX_CLASSES, first_classes, heatmap
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
    figure = Figure(figsize=(2.5 + 0.62 * len(classes), 1.7 + 0.36 * len(values)))
    axes = figure.subplots()
    texts = [[f"{value:.0f}" for value in row] for row in values]
    limits = (values.min() - 1e-9, 100)
    image = heatmap(axes, values, texts, study.models, study.class_names[classes], limits, "cividis")
    axes.set(xlabel=first_classes(study.class_names), aspect="auto")
    figure.colorbar(image, label="% correct")
    return figure
