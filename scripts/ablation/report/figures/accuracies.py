"""Accuracy by model."""

from matplotlib.figure import Figure

from ablation.report.figures.style import accuracy_bar, bar_rows, model_names
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 1
ALT = "Test accuracy of every model: seeds as points, intervals as bars"
CAPTION = (
    "Test accuracy. Each point is a seed, the tick their mean. With several seeds, the narrow bar is the 95% interval"
    " of the mean on these test images and the wide bar that on new images; with one seed, the wide bar is that of"
    " this one network. The broken line, where it is in view, is chance: always answering the most frequent class."
    " Overlapping bars don't prove a tie, and separate bars don't prove a difference: the verdicts are about"
    " differences."
)


def draw(study: Study) -> Figure:
    """Return a figure of test accuracy by model, in percent, best first: seeds as points, both intervals as bars."""
    table, names = study.accuracies[::-1], model_names(study)
    bars = [accuracy_bar(study, row) for _, row in table.iterrows()]
    figure, axes = bar_rows([names[model] for model in table["model"]], bars, "mean")
    chance = 100 * table["chance_level"].iloc[0]
    if chance >= axes.get_xlim()[0]:
        axes.axvline(chance, color="#777777", linestyle="--", linewidth=1)
    axes.set(xlabel=f"{study.report_on} accuracy, % (chance: {chance:.1f})")
    return figure
