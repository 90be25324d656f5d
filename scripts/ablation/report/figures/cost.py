"""Accuracy against cost."""

from matplotlib.figure import Figure

from ablation.report.figures.style import MARKERS, series_style
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 6
ALT = "Accuracy against parameters and against training time"
CAPTION = (
    "Test accuracy against the number of trainable parameters and against the time of one training, on the machine that"
    " trained. Up and to the left is better; bars are 95% intervals on new images."
)


def draw(study: Study) -> Figure:
    """Return a figure of test accuracy, in percent, against trainable parameters and against minutes of training.

    Models with the same number of parameters are drawn next to each other.
    """
    table = study.accuracies.set_index("model", drop=False)
    figure = Figure(figsize=(7.4, 4.6))
    parameters, minutes = figure.subplots(1, 2, sharey=True)
    step = 0.015 * table["parameters"].max() / 1e6
    same_size: dict[int, int] = {}
    for number, model in enumerate(study.models):
        row = table.loc[model]
        percent, low, high = (100 * row[name] for name in ("accuracy", "population_low", "population_high"))
        color, marker = series_style(number, MARKERS)
        style = {"yerr": [[percent - low], [high - percent]], "fmt": marker, "color": color, "capsize": 3}
        place = same_size[row["parameters"]] = same_size.get(row["parameters"], -1) + 1
        parameters.errorbar(row["parameters"] / 1e6 + step * place, percent, label=model, **style)
        minutes.errorbar(row["training_seconds"] / 60, percent, **style)
    parameters.set(xlabel="million parameters", ylabel=f"{study.report_on} accuracy, %")
    minutes.set(xlabel="minutes of training")
    for axes in (parameters, minutes):
        axes.set_xlim(0, 1.05 * axes.dataLim.x1)  # Matplotlib's own margin is a fraction of the points' spread alone
    figure.legend(loc="outside right upper")
    return figure
