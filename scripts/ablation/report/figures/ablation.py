"""What each ingredient is worth."""

from matplotlib.figure import Figure

from ablation.report.figures.style import difference_bars
from ablation.report.study import Study

SCOPE = "family"
CATEGORY = "Families"
ORDER = 1
NEEDS = "ablate"
WIDE = True
ALT = "Differences of accuracy without each ingredient of {model}, with intervals and verdicts"
CAPTION = (
    "Difference of mean test accuracy to the complete model where one setting is put back: the further to the left, the"
    " more that ingredient is worth. The narrow bar is the 95% interval on these test images, the wide bar that on new"
    " images (with one seed: of these networks). Intervals are of each comparison alone; the verdicts, on these images,"
    " are corrected for all comparisons of this figure."
)


def draw(study: Study, family: str) -> Figure:
    """Return a figure of the differences of the rows of an ablation to its model, in points, the largest loss first."""
    return difference_bars(study, family)
