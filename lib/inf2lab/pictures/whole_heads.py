"""Attention heads on the cores of several degrees: whole heads, and the heads of zeros that fill the last cores."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from inf2lab.pictures.canvas import BLUE, GREY, INK, Picture, canvas
from inf2lab.planning import Plan
from neuron_rules import padded_heads

WORDS = {
    "title": "{name}: {heads} attention heads, and each core gets whole ones",
    "row": "degree {degree}",
    "each": "{cores} cores x {each} heads",
    "padded": "{heads} heads + {zeros} of zeros",
    "legend": "a hatched head holds only zeros: it takes memory and time, and computes nothing",
    "alt": "degree {degree}: {cores} cores of {each} heads, {zeros} of the {all} heads hold only zeros",
}
LEFT, WIDTH, HEIGHT = 0.2, 0.79, 0.13
GAP = 0.35  # of a core's width, at the highest degree


def heads(plan: Plan, degrees: tuple[int, ...]) -> Picture:
    """Draw a row a degree: a box a core, a square a head; the plan's library decides how heads are padded."""
    model = plan.request.model
    held = {degree: padded_heads(model, degree, plan.request.generation) for degree in degrees}
    alt = "; ".join(
        WORDS["alt"].format(
            degree=degree, cores=degree, each=-(-placed // degree), zeros=placed - model.heads, all=placed
        )
        for degree, placed in held.items()
    )
    figure, axes = canvas(9, 0.9 + 0.85 * len(degrees), alt)
    step = 0.84 / len(degrees)
    axes.text(0, 0.98, WORDS["title"].format(name=model.name, heads=model.heads), va="top", fontsize=11, color=INK)
    for row, (degree, placed) in enumerate(held.items()):
        _row(axes, 0.86 - (row + 0.72) * step, degree, placed, model.heads)
    if any(placed > model.heads for placed in held.values()):
        axes.text(LEFT, 0.0, WORDS["legend"], fontsize=9.5, color=INK, va="bottom")
    return figure


def _row(axes: Axes, bottom: float, degree: int, placed: int, real: int) -> None:
    each = -(-placed // degree)
    words = [WORDS["row"].format(degree=degree), WORDS["each"].format(cores=degree, each=each)]
    if placed > real:
        words.append(WORDS["padded"].format(heads=real, zeros=placed - real))
    axes.text(0, bottom + HEIGHT / 2, "\n".join(words), va="center", fontsize=9.5, color=INK)
    pitch = WIDTH / degree
    inside = pitch * (1 - GAP / 2 * min(1, degree / 24)) - 0.006
    for core in range(degree):
        left = LEFT + core * pitch
        axes.add_patch(Rectangle((left, bottom), inside, HEIGHT, facecolor="white", edgecolor=INK, lw=1.2))
        for head in range(each):
            kind: dict[str, Any] = (
                {"facecolor": BLUE} if core * each + head < real else {"facecolor": GREY, "hatch": "xxx"}
            )
            place = (left + 0.002 + head * (inside - 0.004) / each, bottom + 0.02)
            axes.add_patch(Rectangle(place, (inside - 0.004) / each, HEIGHT - 0.04, edgecolor="white", lw=1.2, **kind))
