"""Learning curves of all models."""

from matplotlib.figure import Figure

from ablation.report.figures.style import DASHES, band, series_style
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Learning curves"
ORDER = 3
NEEDS = "validation"
WIDE = True
ALT = "Validation loss and accuracy of all models by epoch"
CAPTION = (
    "Validation loss and accuracy by epoch: a line is the mean over seeds, its band goes from the lowest seed to the"
    " highest. Look for where a loss rises while the accuracy still rises: a network that grows overconfident in its"
    " mistakes. The workflow selects nothing by these curves. Models that are trained on all images have none."
)


def draw(study: Study) -> Figure:
    """Return a figure of val_loss and val_accuracy by epoch, of all models that have validation images."""
    figure = Figure(figsize=(11, 4.4))
    losses, accuracies = figure.subplots(1, 2)
    for number, model in enumerate(study.models):
        histories = study.histories(model)
        band(losses, histories, "val_loss", *series_style(number, DASHES), model)
        band(accuracies, histories, "val_accuracy", *series_style(number, DASHES), model)
    losses.set(xlabel="epochs", ylabel="validation loss")
    accuracies.set(xlabel="epochs", ylabel="validation accuracy")
    if losses.get_lines():
        figure.legend(*losses.get_legend_handles_labels(), loc="outside right upper")
    else:
        figure.suptitle("no model has validation images")
    return figure
