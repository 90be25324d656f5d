"""Words that tables, figures and page share, and texts about test images as texts about those reported on."""

import re

BETTER, WORSE, SAME, TOO_FEW = "better", "worse", "not distinguishable", "too few seeds"
AT_CHANCE = "both at chance"
FEW = 100  # models; of more, only the best are compared with each other and shown one by one
TOP = 10  # how many of these
ROWS = 40  # of the best in a figure with a row per model, where there are more than FEW
TOO_WIDE = 0.5  # an interval of accuracies, or of differences, that says next to nothing


def on_images(text: str, report_on: str) -> str:
    """Return a text about test images, their accuracy and loss as one about the images of `report_on`.

    report_on: "test" or "validation".
    """
    pattern = re.compile(r"\b([Tt])est(?= (?:accurac|images?\b|loss\b))")
    if report_on == "test":
        return text
    return pattern.sub(lambda found: "Validation" if found[1] == "T" else "validation", text)
