"""Most confident mistakes."""

import numpy as np
from matplotlib.figure import Figure

from ablation.report.figures.style import image_panels
from ablation.report.study import Study

SCOPE = "model"
CATEGORY = "Mistakes"
ORDER = 4
ALT = "The test images that {model} gets wrong most confidently"
CAPTION = "The most confident errors on test images, by the mean over seeds: some are labels to argue about."
MISTAKES = 12


def draw(study: Study, model: str) -> Figure:
    """Return a figure of the test images that a model gets wrong most confidently, by its seeds' mean probabilities."""
    mean = study.predictions(model).probabilities.mean(axis=0, dtype=np.float64)
    predicted, confidence = mean.argmax(axis=1), mean.max(axis=1)
    wrong = np.flatnonzero(predicted != study.labels)
    most_confident = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    figure, panels = image_panels(2, MISTAKES // 2, (9, 3.9))
    for axes, image in zip(panels.flat, most_confident, strict=False):
        axes.imshow(study.test_images[image])
        true, taken_for = study.class_names[[study.labels[image], predicted[image]]]
        axes.set_title(f"{true}\nseen as {taken_for}\n{100 * confidence[image]:.0f}%", fontsize=9)
    figure.suptitle(model if len(most_confident) else f"{model}: no mistakes", fontsize=11)
    return figure
