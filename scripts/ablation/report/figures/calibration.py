"""Calibration."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import DASHES, series_style
from ablation.report.study import Study

SCOPE = "study"
CATEGORY = "Accuracy"
ORDER = 5
ALT = "Accuracy by confidence of every model"
CAPTION = (
    "Accuracy by confidence. Below the diagonal a model is more confident than accurate. Next to each name: its"
    " expected calibration error."
)
BINS = 10  # of confidence


def draw(study: Study) -> Figure:
    """Return a reliability diagram: accuracy by confidence, all models on one pair of axes.

    Next to each name is its expected calibration error, in points: the mean distance between confidence and accuracy
    over BINS bins of equal width, weighted by their images; all seeds together.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    figure = Figure(figsize=(7.4, 4.6))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, label="calibrated")
    for number, model in enumerate(study.models):
        predictions = study.predictions(model)
        confidences = predictions.probabilities.max(axis=2).ravel().astype(np.float64)
        confidence, accuracy, weight = reliability(confidences, (predictions.predicted == study.labels).ravel())
        error = (weight * np.abs(confidence - accuracy)).sum()
        label = f"{model}  ({100 * error:.1f} points)"
        color, line = series_style(number, DASHES)
        axes.plot(confidence, accuracy, line, marker="o", markersize=4, color=color, label=label)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    figure.legend(loc="outside right upper")
    return figure


def reliability(confidences: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, accuracy and fraction of the images of each bin that has any, (bins,) float64 each.

    confidences: (n,) floats from 0 to 1; correct: (n,) bool. Source: as of `draw`.
    """
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    counts, confidence, accuracy = (np.bincount(bins, weights, BINS) for weights in (None, confidences, correct))
    used = counts > 0
    return confidence[used] / counts[used], accuracy[used] / counts[used], counts[used] / len(correct)
