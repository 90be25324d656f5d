"""Images before and after whitening."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import image_panels
from ablation.report.figures.texts import drawn
from ablation.report.study import Study

SCOPE = "whitening"
CATEGORY = "Whitening"
ORDER = 1
WIDE = True
ALT = "Test images before and after whitening"
CAPTION = (
    "The first test images, and what the networks see of them: what neighboring pixels have in common is gone; edges"
    " remain."
)
IMAGES = 10


def draw(study: Study) -> Figure:
    """Return a figure of the first test images above what whitening makes of them.

    Whitened values are shown from their 1st to their 99th percentile.
    """
    images, whitened = study.whitening.images[:IMAGES], study.whitening.whitened[:IMAGES]
    names = drawn(study.class_names, inches=0.8, size=9)
    low, high = np.percentile(whitened, [1, 99])
    stretched = np.clip((whitened - low) / max(high - low, 1e-12), 0, 1)
    figure, panels = image_panels(2, len(images), (9, 2.5))
    for axes, image in zip(panels.flat, [*images, *stretched], strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    for axes, label in zip(panels[0], study.whitening.labels[:IMAGES], strict=True):
        axes.set_title(names[label], fontsize=9)
    return figure
