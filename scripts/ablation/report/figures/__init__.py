"""The figures of a study, one file each: what it shows, as literals that are read without importing it; how to draw it.

A file of a figure has

    its docstring   the title, one line
    SCOPE           "study", "family" (one figure per family), "model" (one per model) or "whitening"
    CATEGORY        of Snakemake's report
    CAPTION, ALT    of the page and of Snakemake's report, about test images; {model} in ALT is the model's name, or the
                    family's
    ORDER           its place among those of its scope
    NEEDS           optional: shown only where the study has "comparisons" or "validation" images; of a family, its kind
    WIDE            optional: True for the full width of the page

and `draw(study)`, or `draw(study, name)` with the scopes "model" and "family", which returns the figure.
"""

import ast
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.files import atomic_write
from ablation.report.wording import FEW, ROWS, TOP, on_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ablation.report.study import Study

FORMATS = ("svg", "png", "pdf")  # of the files of each figure; the page shows the first
MANY = 14  # more models than that are drawn as rows, with their names beside them, instead of lines in as many colors


@dataclass(frozen=True)
class FigureInfo:
    """What a figure shows: the literals of its file, by the same names."""

    title: str
    scope: str
    category: str
    caption: str
    alt: str
    order: int
    needs: str = ""
    wide: bool = False


@cache
def catalogue(report_on: str = "test") -> dict[str, FigureInfo]:
    """Return what every figure shows, by the name of its file, in the order of the page.

    report_on: the images that captions are about, "test" or "validation".
    """
    found = {}
    for path in Path(__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        literals = {
            statement.targets[0].id.lower(): ast.literal_eval(statement.value)
            for statement in tree.body
            if isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and statement.targets[0].id.lower() in FigureInfo.__annotations__
        }
        if literals:
            worded = {key: on_images(literals[key], report_on) for key in ("caption", "alt")}
            found[path.stem] = FigureInfo(title=(ast.get_docstring(tree) or "").rstrip("."), **literals | worded)
    scopes = ["study", "family", "model", "whitening"]
    return dict(sorted(found.items(), key=lambda entry: (scopes.index(entry[1].scope), entry[1].order, entry[0])))


def names(name: str, facts: dict) -> list[str]:
    """Return whose figures a figure of the catalogue is, models' or families', of the facts of a study.

    Of more than FEW models these are the TOP best, by their places in the table, "1" to "10", and the baseline.
    """
    figure = catalogue()[name]
    if figure.scope == "family":
        return [family for family, of in facts["families"].items() if of["kind"] == figure.needs]
    if figure.scope == "model" and len(facts["models"]) > FEW:
        return [*map(str, range(1, TOP + 1)), facts["baseline"]]
    return list(facts["models"]) if figure.scope == "model" else []


def figure_paths(name: str) -> list[str]:
    """Return the files of a figure below the results, one per format. name: with the model or family that it is of."""
    return [f"figures/{name}.{suffix}" for suffix in FORMATS]


def draw(name: str, study: "Study", of: str | None = None) -> "Figure":
    """Return the figure `name` of a study, or of one of its models or families, as `names` has them.

    A figure of more than FEW models shows the ROWS best and the baseline.
    """
    from ablation.report.figures import texts

    module = import_module(f"ablation.report.figures.{name}")
    if of is not None and of.isdigit():
        of = study.accuracies["model"].iloc[int(of) - 1]
    if catalogue()[name].scope == "study" and len(study.models) > FEW:
        study = study.of_best(ROWS)
    figure = module.draw(study) if of is None else module.draw(study, of)
    written = {
        character
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
        for character in text.get_text()
    }
    if texts.NO_FONT in written and texts.without_font:
        figure.supxlabel(f"{texts.NO_FONT}: a character that no font of the machine has that drew this", fontsize=9)
    return figure


def save(figure: "Figure", path: str | Path, key: str) -> None:
    """Write a figure as SVG, PNG or PDF, by the suffix of `path`, atomically, with `key` at the end of the file."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from PIL.PngImagePlugin import PngInfo

    from ablation.report.figures.svg import svg_of

    path = Path(path)
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):  # laid out once for all formats
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    with atomic_write(path) as temporary:
        if path.suffix == ".svg":
            temporary.write_text(f"{svg_of(figure, path.stem)}\n<!-- made from {key} -->\n", encoding="utf-8")
        elif path.suffix == ".pdf":
            figure.savefig(temporary, format="pdf", dpi=200, metadata={"CreationDate": None})
            with open(temporary, "ab") as file:
                file.write(f"% made from {key}\n".encode())
        else:
            chunks = PngInfo()
            chunks.add(b"maDe", key.encode(), after_idat=True)
            figure.savefig(temporary, format="png", pil_kwargs={"pnginfo": chunks})
