"""Pairwise differences."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures import MANY
from ablation.report.figures.style import heatmap, matrix_figure, model_names, signed
from ablation.report.study import Study
from ablation.report.wording import FEW

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 2
NEEDS = "comparisons"
ALT = "Matrix of the differences of accuracy of all pairs of models"
CAPTION = (
    "Difference of mean test accuracy, row minus column, in percentage points (with many models, as colors alone). A"
    " star marks pairs that are distinguishable on these test images after Holm's correction for all pairs; with too"
    " few seeds, none can be. With more than a hundred models, these are the ten best, and p is multiplied by the"
    " number of all pairs."
)


def draw(study: Study) -> Figure:
    """Return a figure of all pairwise differences of accuracy in points, a star where a verdict tells them apart."""
    pairs = study.comparisons[study.comparisons["family"] == "pairs"]
    models = study.models
    if len(models) > FEW:  # whose pairs are those of the best
        models = [model for model in models if model in {*pairs["model"], *pairs["reference"]}]
    many = len(models) > MANY
    values = np.zeros((len(models), len(models)))
    texts = [["" for _ in models] for _ in models]
    place = {model: number for number, model in enumerate(models)}
    for pair in pairs.itertuples():
        row, column = place[pair.model], place[pair.reference]
        values[row, column], values[column, row] = 100 * pair.difference, -100 * pair.difference
        star = "*" if pair.verdict in ("better", "worse") else ""
        texts[row][column], texts[column][row] = (
            star if many else signed(values[cell], 1) + star for cell in ((row, column), (column, row))
        )
    shown = model_names(study)
    names, size = [shown[model] for model in models], 8 if many else 11
    cell = (0.2, 0.2) if many else (0.62, 0.5)
    figure, (axes,) = matrix_figure(names, names, cell, margin=(1.8, 0.8), size=size)
    limit = max(np.abs(values).max(), 0.1)
    image = heatmap(axes, values, texts, names, names, (-limit, limit), "PuOr", size)
    starred = any("*" in text for row in texts for text in row)
    figure.suptitle(f"row minus column, points{' (*: distinguishable)' if starred else ''}", fontsize=11)
    figure.colorbar(image, shrink=0.8)
    return figure
