"""Figures look as they did when somebody last looked at them: tests/looks says how, as text."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_figures import ACCURACIES, a_family, study_of_table, svg_of, whole_study

from ablation.report import figures

FILES = np.array([f"folder/a_long_name_of_a_picture_{number}.png" for number in range(60)])
CLASSES = [f"a class with a long name {number}" for number in range(45)]
MANY = [f"model{number}" for number in range(figures.MANY + 1)]
RATES = {model: {"learning_rate": rate} for model, rate in zip("abc", (0.1, 1.0, 0.01), strict=True)}
PAIRS = {
    model: {"dropout": dropout, "epochs": epochs}
    for model, dropout, epochs in (("a", [0.0, 0.5], 5), ("b", [0.0, 0.5], 9), ("c", [0.1, 0.5], 5))
}
ROWS = ["accuracies", "differences", "curves", "calibration", "cost"]  # figures that are others with many models
CASES = {
    "three models": (lambda: whole_study("abc", list("ABCDEFGHIJ"), files=FILES), list(figures.catalogue())),
    "many classes": (lambda: whole_study("abc", CLASSES), ["classes", "confusion", "mistakes"]),
    "one seed": (lambda: whole_study("abc", seeds=1, epochs=1, right=0.2), [*ROWS, "loss", "ablation", "grid"]),
    "many models": (lambda: whole_study(MANY, seeds=2), ROWS),
    "rates": (lambda: study_of_table(ACCURACIES, families=a_family("grid", RATES)), ["grid"]),
    "pairs": (lambda: study_of_table(ACCURACIES, families=a_family("grid", PAIRS)), ["grid"]),
}
NUMBER = re.compile(r"-?[\d.]+(?:e-?\d+)?")
PLACES, STYLE = ("d", "x", "y", "width", "height", "transform"), ("style", "fill", "font-family")


def looks(root):
    """Yield how an SVG looks: a line for all that is drawn in one style, with the places in points, and the texts."""
    styles = {}
    for element in root.iter():
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        places = " ".join(attributes.pop(key) for key in PLACES if key in attributes)
        style = " ".join([element.tag.rpartition("}")[2], *(attributes[key] for key in STYLE if key in attributes)])
        its_places, texts = styles.setdefault(style, ([], []))
        its_places.extend(round(float(number) + 0.003) for number in NUMBER.findall(places))  # halves are frequent
        texts.extend([repr(element.text)] if element.text else [])
        if "href" in attributes and attributes["href"].startswith("data:"):
            with Image.open(io.BytesIO(base64.b64decode(attributes["href"].partition(",")[2]))) as image:
                texts.append(" ".join(f"{mean:.0f}" for mean in np.array(image.convert("RGB")).mean(axis=(0, 1))))
    for style, (places, texts) in styles.items():
        if places:
            some = places if len(places) <= 8 else [*places[:4], "...", *places[-4:]]
            yield " ".join(map(str, [style, "at", *some, "sum", sum(places), *texts]))


@pytest.mark.parametrize("case", CASES)
def test_looks(case, tmp_path):
    make, names = CASES[case]
    study, lines = make(), []
    for name in names:
        info, of = figures.catalogue()[name], next(iter(figures.names(name, study.facts)), None)
        lines += [f"{name}: {info.scope}, {info.category}, {info.order}, {info.needs}, {info.wide}"]
        lines += [f"    {line}" for line in looks(svg_of(name, study, of))]
    written = Path(__file__).with_name("looks") / f"{case.replace(' ', '_')}.txt"
    now = tmp_path / written.name
    now.write_text("\n".join([*lines, ""]))
    assert written.exists() and now.read_text() == written.read_text(), f"if this looks right: cp {now} {written}"
