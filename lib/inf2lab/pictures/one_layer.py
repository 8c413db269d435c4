"""One layer on two cores: which matrix is cut by columns, which by rows, and where the cores add up."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from inf2lab.pictures.canvas import BLUE, GREY, INK, SAND, Picture, arrow, canvas
from neuron_rules import ModelDims, all_reduces_per_step

WORDS = {
    "title": "one layer of {name} on two cores",
    "input": "one token's\nnumbers, on\nboth cores",
    "attention": "attention",
    "feed": "feed-forward",
    "qkv": "query, key, value\n{hidden} x {hidden} each",
    "out": "output\n{hidden} x {hidden}",
    "up": "first\n{hidden} x {ffn}",
    "down": "second\n{ffn} x {hidden}",
    "columns": "cut by columns",
    "rows": "cut by rows",
    "sum": "all-reduce:\nthe cores\nadd up",
    "core": "core {number}",
    "foot": "2 all-reduces a layer x {layers} layers = {sums} for each token, at any degree above 1",
    "alt": "one layer on two cores: query, key and value and the first feed-forward matrix are cut by columns, the "
    "output and the second feed-forward matrix by rows; after each pair the cores add up, {sums} times for one token",
}
MIDDLE = 0.5
COLOURS = (BLUE, SAND)
HATCHES = ("", "//")


def matrix(model: ModelDims) -> Picture:
    """Draw how a layer's matrices are cut over two cores, and the two sums of a layer."""
    sums = all_reduces_per_step(model, 2)
    figure, axes = canvas(9, 3.7, WORDS["alt"].format(sums=sums))
    sizes = {"hidden": model.hidden, "ffn": model.ffn}
    axes.text(0, 0.99, WORDS["title"].format(name=model.name), va="top", fontsize=11, color=INK)
    axes.text(0.055, MIDDLE, WORDS["input"], ha="center", va="center", fontsize=9.5, color=INK)
    _columns(axes, 0.14, 0.13, 0.24, WORDS["qkv"].format(**sizes))
    _rows(axes, 0.33, 0.08, 0.24, WORDS["out"].format(**sizes))
    _sum(axes, 0.475)
    _columns(axes, 0.56, 0.15, 0.2, WORDS["up"].format(**sizes))
    _rows(axes, 0.76, 0.07, 0.42, WORDS["down"].format(**sizes))
    _sum(axes, 0.895)
    for left, right in ((0.108, 0.135), (0.272, 0.327), (0.412, 0.436), (0.514, 0.556), (0.712, 0.757), (0.832, 0.856)):
        arrow(axes, (left, MIDDLE), (right, MIDDLE))
    arrow(axes, (0.934, MIDDLE), (0.985, MIDDLE))
    for left, right, name in ((0.13, 0.515, "attention"), (0.55, 0.935, "feed")):
        axes.plot([left, right], [0.86, 0.86], color=GREY, lw=2)
        axes.text((left + right) / 2, 0.87, WORDS[name], ha="center", va="bottom", fontsize=10, color=INK)
    _legend(axes)
    axes.text(0, 0.0, WORDS["foot"].format(layers=model.layers, sums=sums), fontsize=9.5, va="bottom", color=INK)
    return figure


def _columns(axes: Axes, left: float, width: float, height: float, words: str) -> None:
    halves = [(left + core * width / 2, MIDDLE - height / 2, width / 2, height) for core in (0, 1)]
    _cut(axes, halves, left + width / 2, height, words, WORDS["columns"])


def _rows(axes: Axes, left: float, width: float, height: float, words: str) -> None:
    halves = [(left, MIDDLE - core * height / 2, width, height / 2) for core in (0, 1)]
    _cut(axes, halves, left + width / 2, height, words, WORDS["rows"])


def _cut(
    axes: Axes, halves: list[tuple[float, float, float, float]], centre: float, height: float, words: str, how: str
) -> None:
    for core, (x, y, width, tall) in enumerate(halves):
        style: dict[str, Any] = {"facecolor": COLOURS[core], "hatch": HATCHES[core], "edgecolor": "white"}
        axes.add_patch(Rectangle((x, y), width, tall, lw=1.5, **style))
    axes.text(centre, MIDDLE + height / 2 + 0.02, words, ha="center", va="bottom", fontsize=9, color=INK)
    axes.text(centre, MIDDLE - height / 2 - 0.02, how, ha="center", va="top", fontsize=9, color=INK, style="italic")


def _sum(axes: Axes, x: float) -> None:
    axes.text(
        *(x, MIDDLE, "+"),
        ha="center",
        va="center",
        fontsize=16,
        color=INK,
        bbox={"boxstyle": "circle,pad=0.3", "facecolor": "white", "edgecolor": INK, "lw": 1.5},
    )
    axes.text(x, MIDDLE - 0.13, WORDS["sum"], ha="center", va="top", fontsize=9, color=INK)


def _legend(axes: Axes) -> None:
    for core, x in enumerate((0.14, 0.24)):
        axes.add_patch(
            Rectangle((x, 0.12), 0.02, 0.05, facecolor=COLOURS[core], hatch=HATCHES[core], edgecolor="white")
        )
        axes.text(x + 0.026, 0.145, WORDS["core"].format(number=core), fontsize=9, va="center", color=INK)
