"""Filters of the whitening."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import image_panels
from ablation.report.study import Study

SCOPE = "whitening"
CATEGORY = "Whitening"
ORDER = 2
ALT = "Filters that make the whitened center pixel, by channel"
CAPTION = (
    "The filters that make each channel of the whitened center pixel: the pixel itself, minus its surroundings."
    " Gray is zero."
)
RADIUS = 5  # pixels about the center that are shown; the filters are zero beyond


def draw(study: Study) -> Figure:
    """Return a figure of the filters that make the whitened center pixel, one per channel."""
    filters = study.whitening.filters
    rows, columns = (slice(max(side // 2 - RADIUS, 0), side // 2 + RADIUS + 1) for side in filters.shape[1:3])
    figure, panels = image_panels(1, len(filters), (6.0, 2.2))
    names = ("red", "green", "blue") if len(filters) == 3 else ("gray",)
    for axes, channel, name in zip(panels[0], filters[:, rows, columns], names, strict=True):
        axes.imshow(0.5 + 0.5 * channel / max(np.abs(channel).max(), 1e-12), cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=11)
    return figure
