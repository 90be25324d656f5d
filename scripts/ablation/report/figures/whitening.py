"""Images before and after whitening."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import IMAGE_STYLE
from ablation.report.study import Study

SCOPE = "whitening"
CATEGORY = "Whitening"
ORDER = 1
WIDE = True
ALT = "Test images before and after whitening"
CAPTION = (
    "The first test images, and what the networks see of them: what neighboring pixels have in common is gone, edges"
    " stay."
)
IMAGES = 10


def draw(study: Study) -> Figure:
    """Return a figure of the first test images above what whitening makes of them.

    Whitened values are shown from their 1st to their 99th percentile.
    """
    images, whitened = study.whitening.images[:IMAGES], study.whitening.whitened[:IMAGES]
    names = study.class_names[study.whitening.labels[:IMAGES]]
    low, high = np.percentile(whitened, [1, 99])
    stretched = np.clip((whitened - low) / max(high - low, 1e-12), 0, 1)
    with matplotlib.rc_context(IMAGE_STYLE):
        figure = Figure(figsize=(9, 2.5))
        panels = figure.subplots(2, len(images), squeeze=False)
        for column, name in enumerate(names):
            for axes, image in zip(panels[:, column], (images[column], stretched[column]), strict=True):
                axes.imshow(image)
                axes.axis("off")
            panels[0, column].set_title(name, fontsize=9)
    return figure
