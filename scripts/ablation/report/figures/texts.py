"""Texts of the user in figures: names of classes, models and files, values of settings. All of them go through `drawn`.

`style` turns off what Matplotlib would read into a text (mathtext, TeX); Matplotlib lays out right-to-left scripts.
"""

import logging
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from matplotlib import font_manager, rcParams
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.ft2font import FT2Font

logger = logging.getLogger(__name__)

SIZE = 11  # points
NAME = 2.4  # inches, the most that a name takes
NO_CHARACTER, NO_FONT = "�", "□"
RENDERER = RendererAgg(1, 1, 110)
without_font: set[str] = set()  # characters that no font of this machine has, of all texts so far


def drawn(texts: Iterable[str], inches: float = NAME, size: float = SIZE) -> list[str]:
    """Return texts as figures show them: on one line, no wider than `inches` in letters of `size` points, no two alike.

    White space is a space, a control character NO_CHARACTER, one that no font of this machine has NO_FONT. The middle
    of a longer text is left out: files and variants differ in their ends. What is then as another text has a number.
    """
    plain = [_plain(text) for text in texts]
    _find_fonts(set().union(*plain))
    labels: dict[str, None] = {}
    repeated: dict[str, int] = {}
    for text in plain:
        text = "".join(NO_FONT if character in without_font else character for character in text)
        first = label = _fitting(text, inches, size)
        while label in labels:
            repeated[first] = repeated.get(first, 1) + 1
            label = _fitting(text, inches, size, f" ({repeated[first]})")
        labels[label] = None
    return list(labels)


@lru_cache(maxsize=10_000)
def width(text: str, size: float = SIZE) -> float:
    """Return the width of a text in inches, in letters of `size` points."""
    properties = font_manager.FontProperties(size=size)
    return RENDERER.get_text_width_height_descent(text, properties, ismath=False)[0] / RENDERER.dpi


def widest(texts: Iterable[str], size: float = SIZE) -> float:
    """Return the width in inches of the widest of some texts, 0 of none."""
    return max((width(text, size) for text in texts), default=0.0)


def _plain(text: str) -> str:
    """Return a text on one line, composed, without what can't be seen but decides how the rest is laid out."""
    characters = []
    for character in unicodedata.normalize("NFC", str(text)):
        category = unicodedata.category(character)
        if (category == "Cf" and character != "\u200c") or "\ufe00" <= character <= "\ufe0f":
            continue
        unseen = category in ("Cc", "Cs") and not character.isspace()
        characters.append(NO_CHARACTER if unseen else character)
    return " ".join("".join(characters).split())


def _fitting(text: str, inches: float, size: float, ending: str = "") -> str:
    """Return a text with an ending, characters in the middle left out where it is wider than `inches`."""
    if width(text + ending, size) <= inches:
        return text + ending
    shortest, longest = 0, min(len(text), 200)
    while longest - shortest > 1:
        kept = (shortest + longest) // 2
        if width(_without_middle(text, kept) + ending, size) <= inches:
            shortest = kept
        else:
            longest = kept
    return _without_middle(text, shortest) + ending


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: kept // 3].rstrip()}…{text[len(text) - (kept - kept // 3) :].lstrip()}"


def _find_fonts(characters: set[str]) -> None:
    """Let figures use more fonts of the machine until each character is in one, or is known to be in none."""
    needed = characters - without_font - {" ", "\u200c"}
    for family in rcParams["font.family"]:
        needed -= _characters(font_manager.findfont(family))
    while needed:
        found = [(path, needed & _characters(path)) for path in sorted(font_manager.findSystemFonts())]
        path, has = max(found, key=lambda entry: len(entry[1]), default=("", set()))
        if not has:
            without_font.update(needed)
            logger.warning(f"no font on this machine has {' '.join(sorted(needed))}: drawn as {NO_FONT}")
            return
        font_manager.fontManager.addfont(path)
        rcParams["font.family"] = [*rcParams["font.family"], FT2Font(path).family_name]
        needed -= has


def _characters(path: str) -> set[str]:
    """Return the characters of a font, none of one that Matplotlib can't draw: of bitmaps, or of colors."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return set()
    return set(map(chr, font.get_charmap())) if font.scalable and "Color" not in font.family_name else set()
