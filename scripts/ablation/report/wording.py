"""Texts about test images as texts about the images that a study reports on."""

import re


def on_images(text: str, report_on: str) -> str:
    """Return a text about test images, their accuracy and loss as one about the images of `report_on`.

    report_on: "test" or "validation".
    """
    pattern = re.compile(r"\b([Tt])est(?= (?:accurac|images?\b|loss\b))")
    if report_on == "test":
        return text
    return pattern.sub(lambda found: "Validation" if found[1] == "T" else "validation", text)
