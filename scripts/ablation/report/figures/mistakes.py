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
WIDTH = 24  # characters above an image


def draw(study: Study, model: str) -> Figure:
    """Return a figure of the test images that a model gets wrong most confidently, by its seeds' mean probabilities."""
    mean = study.predictions(model).probabilities.mean(axis=0, dtype=np.float64)
    predicted, confidence = mean.argmax(axis=1), mean.max(axis=1)
    wrong = np.flatnonzero(predicted != study.labels)
    most_confident = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    files = study.test_files
    figure, panels = image_panels(2, MISTAKES // 2, (9, 3.9 if files is None else 4.3))
    for axes, image in zip(panels.flat, most_confident, strict=False):
        axes.imshow(study.test_images[image], cmap="gray", vmin=0, vmax=255)  # the colors are those of one channel
        true, taken_for = study.class_names[[study.labels[image], predicted[image]]]
        lines = [true, f"seen as {taken_for}", f"{100 * confidence[image]:.0f}%"]
        if files is not None:
            lines.append(files[image].rpartition("/")[2])
        axes.set_title("\n".join(map(_fitting, lines)), fontsize=9, parse_math=False)
    figure.suptitle(model if len(most_confident) else f"{model}: no mistakes", fontsize=11)
    return figure


def _fitting(text: str) -> str:
    """Return a text of at most WIDTH characters, the middle of a longer one left out: files differ in their ends."""
    return text if len(text) <= WIDTH else f"{text[: WIDTH // 3]}…{text[-(WIDTH - WIDTH // 3 - 1) :]}"
