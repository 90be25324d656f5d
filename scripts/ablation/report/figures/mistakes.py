"""Most confident mistakes."""

from matplotlib.figure import Figure

from ablation.report.figures.style import image_panels
from ablation.report.study import Study

SCOPE = "model"
CATEGORY = "Mistakes"
ORDER = 4
ALT = "The test images that {model} gets wrong most confidently"
CAPTION = (
    "The most confident errors on test images, by the mean over seeds: some are labels to argue about."
    " mistakes.csv has all of them."
)
MISTAKES = 12
WIDTH = 24  # characters above an image


def draw(study: Study, model: str) -> Figure:
    """Return a figure of the test images that a model gets wrong most confidently, by its seeds' mean probabilities."""
    surest = study.mistakes(model).head(MISTAKES)
    figure, panels = image_panels(2, MISTAKES // 2, (9, 3.9 if study.image_files is None else 4.3))
    for axes, (_, mistake) in zip(panels.flat, surest.iterrows(), strict=False):
        axes.imshow(
            study.images[mistake["image"]], cmap="gray", vmin=0, vmax=255
        )  # the colors are those of one channel
        lines = [mistake["class"], f"seen as {mistake['predicted']}", f"{100 * mistake['probability']:.0f}%"]
        lines += filter(None, [mistake["file"].rpartition("/")[2]])
        axes.set_title("\n".join(map(_fitting, lines)), fontsize=9, parse_math=False)
    figure.suptitle(model if len(surest) else f"{model}: no mistakes", fontsize=11)
    return figure


def _fitting(text: str) -> str:
    """Return a text of at most WIDTH characters, the middle of a longer one left out: files differ in their ends."""
    return text if len(text) <= WIDTH else f"{text[: WIDTH // 3]}…{text[-(WIDTH - WIDTH // 3 - 1) :]}"
