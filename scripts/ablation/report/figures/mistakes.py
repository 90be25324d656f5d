"""Most confident mistakes."""

from matplotlib.figure import Figure

from ablation.report.figures.style import image_panels, model_names
from ablation.report.figures.texts import drawn
from ablation.report.study import Study

SCOPE = "model"
CATEGORY = "Mistakes"
ORDER = 4
ALT = "The test images that {model} gets wrong most confidently"
CAPTION = (
    "The test images that the mean of the seeds' probabilities gets wrong, the most confident ones; some of the labels"
    " are debatable. mistakes.csv lists them all. A single seed may get others wrong."
)
MISTAKES = 12
COLUMNS = 6


def draw(study: Study, model: str) -> Figure:
    """Return a figure of the test images that a model gets wrong most confidently, by its seeds' mean probabilities."""
    surest = study.mistakes(model).head(MISTAKES)
    names = dict(zip(study.class_names, drawn(study.class_names, inches=1.1, size=9), strict=True))
    files = [drawn([file.rpartition("/")[2]], inches=1.6, size=9)[0] for file in surest["file"]]  # alike in two folders
    columns, rows = max(2, min(len(surest), COLUMNS)), -(-len(surest) // COLUMNS)
    size = (1.7 * columns, 0.5 + rows * (1.8 if study.image_files is None else 2))
    figure, panels = image_panels(max(rows, 1), columns, size)
    for axes, (_, mistake), file in zip(panels.flat, surest.iterrows(), files, strict=False):
        image = study.images[mistake["image"]]
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)  # the colors are those of one channel
        true, taken_for = names[mistake["class"]], names[mistake["predicted"]]
        lines = [
            true,
            f"seen as {taken_for}",
            f"{100 * mistake['probability']:.0f}%",
            *([file] if mistake["file"] else []),
        ]
        axes.set_title("\n".join(lines), fontsize=9)
    title = "" if len(surest) else ": no mistakes by the mean over seeds"
    figure.suptitle(model_names(study)[model] + title, fontsize=11)
    return figure
