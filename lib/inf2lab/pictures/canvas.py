"""What pictures are drawn on and with: a figure that shows itself, boxes, arrows, and safe colours."""

import base64
import io
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

BLUE, SAND, GREY, RED, INK = "#4477aa", "#ddcc77", "#bbbbbb", "#aa3344", "#222222"
DARK = (BLUE, RED, INK)  # letters on them are white
LETTERS = 10  # points; the least is 9
DPI = 144
PIXELS_PER_INCH = 96  # of a page: a picture is shown at its size in inches, and stays sharp on a good screen


class Picture(Figure):
    """A figure that shows itself in a notebook; its text form, for readers who do not see it, is `alt`."""

    def __init__(self, width: float, height: float, alt: str) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        self.alt = alt
        self.width_px = round(width * PIXELS_PER_INCH)

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"

    def to_png(self) -> bytes:
        """Return the picture as PNG."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=DPI)
        return file.getvalue()

    def to_svg(self) -> str:
        """Return the picture as SVG, the same text for the same picture, with `alt` as its title."""
        file = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "inf2lab"}):
            self.savefig(file, format="svg", metadata={"Date": None, "Title": self.alt})
        return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        """Return what Jupyter shows, and how wide: a sharp picture has more pixels than it takes."""
        png = base64.b64encode(self.to_png()).decode("ascii")
        return {"image/png": png, "text/plain": repr(self)}, {"image/png": {"width": self.width_px}}


def canvas(width: float, height: float, alt: str) -> tuple[Picture, Axes]:
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
