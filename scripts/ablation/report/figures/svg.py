"""A figure as SVG that can stand in a page among others: it takes over the page's font, and the color of its text."""

import io
import xml.etree.ElementTree as ElementTree
from contextlib import suppress

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
FONTS = "system-ui, -apple-system, 'Segoe UI', sans-serif"  # of the page; narrower than what texts are measured in
ROOT = {  # black by the name of the text's color: of a dark page it is a light one
    **{"role": "img", "color": "black", "fill": "currentColor", "font-family": FONTS},
    **{"stroke-linejoin": "round", "stroke-linecap": "butt"},
}
NATIVE = 100  # pixels wide and high: images up to that are in the file as they are, larger ones as large as drawn


def svg_of(figure: Figure, name: str) -> str:
    """Return a figure as SVG, on no background: the same text each time, and no id that a figure of another name has.

    What is black follows the text of the page that the SVG stands in; any other color is as it is. Texts are texts.
    """
    small = {image: image.get_interpolation() for image in figure.findobj(_is_small)}
    for image in small:
        image.set_interpolation("none")
    written = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(written, format="svg", transparent=True, metadata=nothing)
    for image, interpolation in small.items():
        image.set_interpolation(interpolation)
    root = ElementTree.fromstring(written.getvalue())
    root.attrib = {key: root.attrib[key] for key in ("width", "height", "viewBox")} | ROOT
    root.remove(root[0])  # Matplotlib's style sheet, which would be that of the whole page
    used = {value for element in root.iter() for value in _referred_to(element.attrib)}
    for element in root.iter():
        _simplify(element.attrib, used)
        element.tail = None
        if element.tag != f"{{{SVG}}}text":
            element.text = None
    _unwrap_groups(root)
    for prefix, namespace in (("", SVG), ("xlink", XLINK)):
        ElementTree.register_namespace(prefix, namespace)
    return ElementTree.tostring(root, encoding="unicode")


def _is_small(artist: Artist) -> bool:
    return isinstance(artist, AxesImage) and max(artist.get_size()) <= NATIVE


def _referred_to(attributes: dict[str, str]) -> list[str]:
    """Return the ids that an element refers to."""
    clip = attributes.get("clip-path", "").removeprefix("url(").removesuffix(")")
    return [link[1:] for link in (attributes.get(f"{{{XLINK}}}href", ""), clip) if link.startswith("#")]


def _simplify(attributes: dict[str, str], used: set[str]) -> None:
    """Leave out of an element's attributes what does nothing: ids that nothing refers to, no rotation; and the font."""
    if attributes.get("id") not in used:
        attributes.pop("id", None)
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    with suppress(KeyError):
        entries = dict(entry.strip().split(":", 1) for entry in attributes.pop("style").split(";"))
        entries.pop("font-family", None)
        if entries.get("stroke") == " #000000":
            entries["stroke"] = "currentColor"
        attributes["style"] = ";".join(f"{key}:{value.strip()}" for key, value in entries.items())


def _unwrap_groups(element: ElementTree.Element) -> None:
    """Put what is in groups that say nothing in their place."""
    children: list[ElementTree.Element] = []
    for child in element:
        _unwrap_groups(child)
        children += child if child.tag == f"{{{SVG}}}g" and not child.attrib else [child]
    element[:] = children
