"""A picture's words in a reader's language, and a font that has the letters."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from inf2lab.language import ENGLISH, spoken, translated

DRAWN_IN = "DejaVu Sans"  # comes with matplotlib
NO_LETTERS = "words are English: no font for the language `{language}` was found on this machine"
# A language that needs others than matplotlib's own letters: what Linux, macOS and Windows have, the best one first.
FONTS = {
    "ja": (
        "Noto Sans CJK JP",
        "Noto Sans JP",
        "Source Han Sans JP",
        "IPAexGothic",
        "IPAGothic",
        "TakaoPGothic",
        "VL PGothic",
        "Hiragino Sans",
        "Hiragino Kaku Gothic ProN",
        "Yu Gothic",
        "Meiryo",
        "BIZ UDGothic",
        "MS Gothic",
    )
}
_WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff01-\uff60]")
_UNBROKEN = re.compile(
    rf"(?:{_WIDE.pattern}|\s*[^\s{_WIDE.pattern[1:-1]}]+)[\u3001\u3002)]*\s?"
)  # a word, or a wide letter
_AS_WIDE = "\u2014"  # as wide as it is high, like those


def fonts_here(language: str) -> list[str] | None:
    """Return what to draw a language's words with on this machine, or None where nothing has its letters."""
    if language not in FONTS:
        return [DRAWN_IN]
    here = set(font_manager.get_font_names())
    return next(([name, DRAWN_IN] for name in FONTS[language] if name in here), None)


def drawn_in() -> str:
    """Return the language of a picture's words on this machine."""
    language = spoken()
    return language if fonts_here(language) else ENGLISH


def folded(text: str, width: int, indent: str = "") -> str:
    """Return a text as a picture shows it, in lines of so many letters, of which a full-width one counts as two."""
    language = drawn_in()
    if language == ENGLISH:
        return textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False)
    lines = [""]
    for letters in _UNBROKEN.findall(translated(text, language)):
        wide = sum(1 + bool(_WIDE.match(letter)) for letter in lines[-1] + letters)
        lines[-1:] = [lines[-1] + letters] if wide <= width else [lines[-1], indent + letters.lstrip()]
    return "\n".join(lines)


def translate(figure: Figure, language: str, fonts: list[str]) -> None:
    """Exchange every word of a figure, and set it in these fonts."""
    for axes in figure.axes:
        _translate_ticks(axes.xaxis, language)
        _translate_ticks(axes.yaxis, language)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(translated(text.get_text(), language))
        text.set_fontfamily(fonts)


def _translate_ticks(axis: Axis, language: str) -> None:
    """Labels of ticks come from the axis at each drawing."""
    english = [label.get_text() for label in axis.get_ticklabels()]
    words = [translated(label, language) for label in english]
    if words != english:
        axis.set_ticks(axis.get_ticklocs(), words)


@contextmanager
def laid_out_for_reader() -> Iterator[None]:
    """Measure an SVG's texts as in the reader's font, which is not here: a full-width letter is as wide as high."""
    measure = RendererSVG.get_text_width_height_descent

    def of_wide_letters(renderer: RendererSVG, text: str, *how: Any) -> tuple[float, float, float]:
        return measure(renderer, _WIDE.sub(_AS_WIDE, text), *how)

    with patch.object(RendererSVG, "get_text_width_height_descent", of_wide_letters):
        yield


def set_by_reader(svg: str, language: str) -> str:
    """Let a page's texts be set in a font of its reader's machine."""
    names = ", ".join(f"'{name}'" for name in FONTS.get(language, ()))
    return svg.replace(f"'{DRAWN_IN}'", f"{names}, '{DRAWN_IN}'") if names else svg
