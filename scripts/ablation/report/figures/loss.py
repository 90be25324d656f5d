"""Loss by epoch."""

from matplotlib.figure import Figure

from ablation.report.figures.style import learning_curves
from ablation.report.study import Study

SCOPE = "model"
CATEGORY = "Learning curves"
ORDER = 1
ALT = "Training and validation loss of {model} by epoch"
CAPTION = (
    "Loss by epoch: on the training images (with dropout, augmentation and label smoothing where the settings have"
    " them, averaged over the epoch), and on the validation images (without, at its end) where there are any. A line is"
    " the mean over seeds, its band goes from the lowest seed to the highest. Where the validation loss rises while the"
    " training loss still falls, the network overfits."
)


def draw(study: Study, model: str) -> Figure:
    """Return a figure of loss and val_loss by epoch."""
    figure, axes = learning_curves(study, model, "loss")
    axes.set(ylabel="cross-entropy", ylim=(0, None))
    return figure
