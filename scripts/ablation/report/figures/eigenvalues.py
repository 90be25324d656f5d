"""Eigenvalues of the covariance."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import PALETTE
from ablation.report.study import Study

SCOPE = "whitening"
CATEGORY = "Whitening"
ORDER = 3
ALT = "Eigenvalues of the covariance of the training images"
CAPTION = (
    "Variance of the training images along their principal axes. Whitening divides each component by the square root"
    " of its eigenvalue plus epsilon (dashed), so components far below epsilon stay small."
)


def draw(study: Study) -> Figure:
    """Return a figure of the eigenvalues of the covariance, largest first, with epsilon as a line."""
    eigenvalues, epsilon = study.whitening.eigenvalues, study.whitening.epsilon
    figure = Figure()
    axes = figure.subplots()
    components = np.arange(1, len(eigenvalues) + 1)
    axes.semilogy(components, np.maximum(eigenvalues, 1e-18), color=PALETTE[0], label="eigenvalues")
    axes.axhline(epsilon, color=PALETTE[1], linestyle="--", label=f"epsilon = {epsilon:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    positive = np.append(eigenvalues[eigenvalues > 0], epsilon)
    axes.set(xlabel="component, largest first", ylabel="variance", ylim=(positive.min() / 3, positive.max() * 3))
    axes.legend()
    return figure
