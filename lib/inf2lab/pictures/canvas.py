"""What pictures are drawn on and with: a figure that shows itself, boxes, arrows, and safe colours."""

import base64
import io
from collections.abc import Iterable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from inf2lab.language import ENGLISH, spoken, translated
from inf2lab.pictures.letters import DRAWN_IN, NO_LETTERS, fonts_here, laid_out_for_reader, set_by_reader, translate

BLUE, SAND, GREY, RED, INK = "#4477aa", "#ddcc77", "#bbbbbb", "#aa3344", "#222222"
DARK = (BLUE, RED, INK)  # letters on them are white
LETTERS = 10  # points; the least is 9
DPI = 144

PIXELS_PER_INCH = 96  # of a page: a picture is shown at its size in inches, and stays sharp on a good screen


class Picture(Figure):
    """A figure that shows itself in a notebook, in the reader's language; its text form, for readers who do not see
    it, is `alt`."""

    def __init__(self, width: float, height: float, alt: str | Iterable[str]) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        self.parts = (alt,) if isinstance(alt, str) else tuple(alt)  # of `alt`
        self.width_px = round(width * PIXELS_PER_INCH)
        self.language = ""  # of its words, once they are drawn

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"

    @property
    def alt(self) -> str:
        """All that it says, in the reader's language."""
        language = self.language or spoken()
        alt = self._alt(language)
        return alt if fonts_here(language) else f"{alt} ({translated(NO_LETTERS.format(language=language), language)})"

    def _alt(self, language: str) -> str:
        return translated("; ", language).join(translated(part, language) for part in self.parts)

    def draw(self, renderer: Any) -> None:
        """Draw it in the reader's language, or in English where no font has the letters, and then say so."""
        if not self.language:
            self._speak(spoken())
        super().draw(renderer)

    def _speak(self, language: str) -> None:
        self.language = language
        if language == ENGLISH:
            return
        if fonts := fonts_here(language):
            translate(self, language, fonts)
        else:
            self.supxlabel(NO_LETTERS.format(language=language), fontsize=9)

    def to_png(self) -> bytes:
        """Return the picture as PNG."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=DPI)
        return file.getvalue()

    def to_svg(self, language: str = ENGLISH) -> str:
        """Return the picture as SVG, the same text for the same picture, with `alt` as its title.

        English letters are drawn; those of another language are set in a font of the reader's machine.
        """
        self.language = language
        how: dict[Any, str] = {"svg.hashsalt": "inf2lab"}
        if language != ENGLISH:
            translate(self, language, [DRAWN_IN])
            how["svg.fonttype"] = "none"
        file = io.StringIO()
        with matplotlib.rc_context(how), laid_out_for_reader():
            self.savefig(file, format="svg", metadata={"Date": None, "Title": self._alt(language)})
        lines = "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
        return set_by_reader(lines, language)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        """Return what Jupyter shows, and how wide: a sharp picture has more pixels than it takes."""
        png = base64.b64encode(self.to_png()).decode("ascii")
        return {"image/png": png, "text/plain": repr(self)}, {"image/png": {"width": self.width_px}}


def canvas(width: float, height: float, alt: str | Iterable[str]) -> tuple[Picture, Axes]:
    """Return a picture of this size in inches, and its axes from 0 to 1 without a frame."""
    figure = Picture(width, height, alt)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    return figure, axes


def box(axes: Axes, x: float, y: float, width: float, height: float, colour: str, text: str, **words: Any) -> None:
    """Draw a box with its left lower corner at x and y, and words in its middle; `words` are options of their text."""
    patch = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.02", fc=colour, ec=INK)
    axes.add_patch(patch)
    ink = "white" if colour in DARK else INK
    how: dict[str, Any] = {"ha": "center", "va": "center", "color": ink, "fontsize": LETTERS, **words}
    axes.text(x + width / 2, y + height / 2, text, **how)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], **look: Any) -> None:
    """Draw an arrow from a point to a point; `look` are options of its line."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.5, **look})
