"""Learning curves of all models."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures import MANY
from ablation.report.figures.style import DASHES, band, epoch_axis, legend, model_names, row_height, series_style
from ablation.report.figures.texts import widest
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Learning curves"
ORDER = 3
NEEDS = "validation"
WIDE = True
ALT = "Validation loss and accuracy of all models by epoch"
CAPTION = (
    "Validation loss and accuracy by epoch: the line is the mean over seeds, the band goes from the lowest seed to"
    " the highest. With many models, each has a row whose colors are that mean, the highest final accuracy on top. If"
    " the loss rises while the accuracy still rises, a network is growing overconfident in its mistakes. The workflow"
    " selects nothing by these curves. Models that are trained on all images have none."
)
COLUMNS = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}


def draw(study: Study) -> Figure:
    """Return a figure of val_loss and val_accuracy by epoch, of all models that have validation images."""
    histories = {model: study.histories(model) for model in study.models}
    validated = [model for model, of in histories.items() if not np.isnan([each["val_loss"] for each in of]).all()]
    if not validated:
        figure = Figure(figsize=(6.4, 0.8))
        figure.suptitle("no model has validation images")
        return figure
    if len(validated) > MANY:
        return _rows(study, {model: histories[model] for model in validated})
    names = model_names(study)
    figure = Figure(figsize=(9.4 + widest(names[model] for model in validated), 4.4))
    panels = figure.subplots(1, 2)
    for axes, (column, label) in zip(panels, COLUMNS.items(), strict=True):
        for number, model in enumerate(study.models):
            band(axes, histories[model], column, *series_style(number, DASHES), names[model])
        epoch_axis(axes, max(len(histories[model][0]) for model in validated))
        axes.set(ylabel=label)
    legend(figure, panels[0].get_lines())
    return figure


def _rows(study: Study, histories: dict[str, list]) -> Figure:
    """Return a figure of a row of colors per model, a column per epoch: a mean over seeds."""
    epochs, names = max(len(of[0]) for of in histories.values()), model_names(study)
    last = {model: np.mean([history["val_accuracy"].iloc[-1] for history in of]) for model, of in histories.items()}
    ordered = sorted(histories, key=lambda model: -last[model])
    size = (9.4 + widest(names[model] for model in ordered), 1.2 + row_height(len(ordered)) * len(ordered))
    figure = Figure(figsize=size)
    for axes, (column, label) in zip(figure.subplots(1, 2, sharey=True), COLUMNS.items(), strict=True):
        values = np.full((len(ordered), epochs), np.nan)
        for row, model in zip(values, ordered, strict=True):
            row[: len(histories[model][0])] = np.mean([history[column] for history in histories[model]], axis=0)
        place = (0.5, epochs + 0.5, len(ordered) - 0.5, -0.5)
        image = axes.imshow(values, cmap="cividis", aspect="auto", interpolation="nearest", extent=place)
        axes.set_yticks(range(len(ordered)), [names[model] for model in ordered], fontsize=9)
        axes.grid(False)
        epoch_axis(axes, epochs)
        axes.set_xlim(0.5, epochs + 0.5)
        figure.colorbar(image, label=label)
    return figure
