"""Calibration."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures import MANY
from ablation.report.figures.style import DASHES, heatmap, legend, matrix_figure, model_names, series_style
from ablation.report.figures.texts import widest
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 5
ALT = "Accuracy by confidence of every model"
CAPTION = (
    "Accuracy by confidence. Below the diagonal, a model is more confident than accurate. Next to each name is its"
    " expected calibration error over all test images; a tenth of the confidences is drawn only if at least 10 images"
    " fall into it. With many models, each has a row, accuracy minus confidence by confidence, the best calibrated on"
    " top."
)
BINS = 10  # of confidence
FEWEST = 10  # images of a bin that is drawn, mean over seeds


def draw(study: Study) -> Figure:
    """Return a reliability diagram: accuracy by confidence, all models on one pair of axes, or in a row each.

    Next to each name is its expected calibration error, in points: the mean distance between confidence and accuracy
    over BINS bins of equal width, weighted by their images; all seeds together. Only bins of FEWEST images are drawn.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    bins, labels, errors = {}, {}, {}
    for model, name in model_names(study).items():
        predictions = study.predictions(model)
        confidences = predictions.probabilities.max(axis=2).ravel().astype(np.float64)
        confidence, accuracy, weight = reliability(confidences, (predictions.predicted == study.labels).ravel())
        errors[model] = 100 * (weight * np.abs(confidence - accuracy)).sum()
        labels[model] = f"{name}  ({errors[model]:.1f} points)"
        enough = weight * len(study.labels) >= FEWEST
        bins[model] = confidence[enough], accuracy[enough]
    if len(bins) > MANY:
        return _rows(bins, labels, sorted(bins, key=lambda model: errors[model]))
    figure = Figure(figsize=(5 + widest(labels.values()), 4.6))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, label="calibrated")
    for number, model in enumerate(bins):
        color, line = series_style(number, DASHES)
        axes.plot(*bins[model], line, marker="o", markersize=4, color=color, label=labels[model])
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    if not any(len(confidence) for confidence, _ in bins.values()):
        axes.set_title(f"no tenth has {FEWEST} images", fontsize=11)
    legend(figure, axes.get_lines())
    return figure


def _rows(bins: dict[str, tuple[np.ndarray, np.ndarray]], labels: dict[str, str], models: list[str]) -> Figure:
    """Return a figure of a row per model, a column per bin of confidence: accuracy minus confidence, in points."""
    values = np.full((len(models), BINS), np.nan)
    for row, model in zip(values, models, strict=True):
        confidence, accuracy = bins[model]
        row[_bin(confidence)] = 100 * (accuracy - confidence)
    rows, columns = [labels[model] for model in models], [f"{start / BINS:.1f}" for start in range(BINS)]
    figure, (axes,) = matrix_figure(rows, columns, (0.5, 0.24), margin=(1.8, 0.8), size=9)
    limit = np.nanmax(np.abs(values), initial=0.1)
    texts = [[""] * BINS for _ in models]
    image = heatmap(axes, values, texts, rows, columns, (-limit, limit), "PuOr", 9)
    axes.set(xlabel="confidence from")
    figure.colorbar(image, label="accuracy minus confidence, points")
    return figure


def _bin(confidences: np.ndarray) -> np.ndarray:
    return np.minimum((confidences * BINS).astype(int), BINS - 1)


def reliability(confidences: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, accuracy and fraction of the images of each bin that has any, (bins,) float64 each.

    confidences: (n,) floats from 0 to 1; correct: (n,) bool. Source: as of `draw`.
    """
    bins = _bin(confidences)
    counts, confidence, accuracy = (np.bincount(bins, weights, BINS) for weights in (None, confidences, correct))
    used = counts > 0
    return confidence[used] / counts[used], accuracy[used] / counts[used], counts[used] / len(correct)
