"""Accuracy by epoch."""

from matplotlib.figure import Figure

from ablation.report.figures.style import learning_curves
from ablation.report.study import Study

SCOPE = "model"
CATEGORY = "Learning curves"
ORDER = 2
ALT = "Training and validation accuracy of {model} by epoch"
CAPTION = (
    "Accuracy by epoch: on the training images (with dropout and augmentation, averaged over the epoch) and, if there"
    " are any, on the validation images (without either, at the end of the epoch). The line is the mean over seeds;"
    " the band goes from the lowest seed to the highest."
)


def draw(study: Study, model: str) -> Figure:
    """Return a figure of accuracy and val_accuracy by epoch, as fractions."""
    figure, axes = learning_curves(study, model, "accuracy")
    axes.set(ylabel="accuracy", ylim=(max(axes.get_ylim()[0], 0), 1))
    return figure
