"""Loss by epoch."""

from matplotlib.figure import Figure

from ablation.report.figures.style import learning_curves
from ablation.report.study import Study

SCOPE = "model"
CATEGORY = "Learning curves"
ORDER = 1
ALT = "Training and validation loss of {model} by epoch"
CAPTION = (
    "Loss by epoch: on the training images (with dropout, augmentation and label smoothing if the settings have them,"
    " averaged over the epoch) and, if there are any, on the validation images (without these, at the end of the"
    " epoch). The line is the mean over seeds; the band goes from the lowest seed to the highest. Where the validation"
    " loss rises while the training loss still falls, the network overfits."
)


def draw(study: Study, model: str) -> Figure:
    """Return a figure of loss and val_loss by epoch."""
    figure, axes = learning_curves(study, model, "loss")
    axes.set(ylabel="cross-entropy", ylim=(0, None))
    return figure
