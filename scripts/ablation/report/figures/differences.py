"""Pairwise differences."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import heatmap, signed
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 2
NEEDS = "comparisons"
ALT = "Matrix of the differences of accuracy of all pairs of models"
CAPTION = (
    "Difference of mean test accuracy, row minus column, in percentage points. A star marks the pairs that are"
    " distinguishable on these test images after Holm's correction for all pairs; with too few seeds none can be."
)


def draw(study: Study) -> Figure:
    """Return a figure of all pairwise differences of accuracy in points, a star where a verdict tells them apart."""
    models = study.models
    values = np.zeros((len(models), len(models)))
    texts = [["" for _ in models] for _ in models]
    pairs = study.comparisons[study.comparisons["family"] == "pairs"]
    for pair in pairs.itertuples():
        row, column = models.index(pair.model), models.index(pair.reference)
        values[row, column], values[column, row] = 100 * pair.difference, -100 * pair.difference
        star = "*" if pair.verdict in ("better", "worse") else ""
        texts[row][column], texts[column][row] = (
            signed(values[cell], 1) + star for cell in ((row, column), (column, row))
        )
    side = max(4.0, 1.6 + 0.62 * len(models))
    figure = Figure(figsize=(side + 1, side))
    axes = figure.subplots()
    limit = max(np.abs(values).max(), 0.1)
    image = heatmap(axes, values, texts, models, models, (-limit, limit), "PuOr")
    axes.set_title("row minus column, points (*: distinguishable)", fontsize=11)
    figure.colorbar(image, shrink=0.8)
    return figure
