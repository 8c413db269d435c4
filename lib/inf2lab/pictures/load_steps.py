"""A load from `docker run` to the open port, step by step, the first time and later."""

from dataclasses import dataclass

from matplotlib.axes import Axes

from inf2lab import planning
from inf2lab.pictures.canvas import BLUE, GREY, INK, LETTERS, SAND, Picture
from inf2lab.settings import Settings
from neuron_rules import Span, dtype_bytes

WORDS = {
    "alt": "a load, step by step, in the planner's minutes: {steps}; in all {first} the first time, {warm} later",
    "pull": "pull the image",
    "download": "download the weights",
    "cast": "read them and cast",
    "split": "write the split copy",
    "cores": "read it, cut it,\ncopy it to the cores",
    "compile": "compile the programs",
    "port": "warm-up answered:\nthe port opens",
    "span": "{} to {} min",
    "unknown": "nobody has published it",
    "once": "the first time only: then it is kept",
    "each": "at each start",
    "axis": "minutes since the container started (the middle of the planner's bounds)",
}


@dataclass(frozen=True)
class Step:
    """One step of a load: its word, its seconds, and whether it is done the first time only."""

    word: str
    seconds: Span
    once: bool = False


def load_timeline(settings: Settings | None = None) -> Picture:
    """Draw each step as a bar that begins where the one before it ends, with its bounds beside it."""
    settings = settings or Settings()
    steps = load_in_order(settings)
    told = [f"{WORDS[step.word]} {_bounds(step.seconds)}".replace("\n", " ") for step in steps]
    request = planning.request_of(settings)
    first, warm = (planning.loading(request, warm=kept).minutes for kept in (False, True))
    figure = Picture(9, 3.6, WORDS["alt"].format(steps=", ".join(told), first=first, warm=warm))
    axes = figure.subplots()
    began = 0.0
    for row, step in enumerate(steps, 1):
        began = _bar(axes, row, began, step)
    _ends(axes, len(steps) + 1, began)
    return figure


def load_in_order(settings: Settings) -> list[Step]:
    """Return the planner's steps as they follow each other; bytes share out what it has of disk and host."""
    request = planning.request_of(settings)
    found = planning.loading(request).steps
    files, split = 2, dtype_bytes(request.dtype)  # bytes of one number in the hub's files, and in the split copy

    def part(disk: int, host: int) -> Span:
        return found["disk"].scaled(disk / (files + 2 * split)) + found["host"].scaled(host / (files + split))

    return [
        Step("download", found["download"], once=True),
        Step("cast", part(files, files)),
        Step("split", part(split, 0)),
        Step("cores", part(split, split)),
        Step("compile", found["compile"], once=True),
    ]


def _bounds(seconds: Span) -> str:
    low, high = (f"{value / 60:.0f}" if value >= 60 else f"{value / 60:.1f}" for value in (seconds.low, seconds.high))
    return WORDS["span"].format(low, high)


def _bar(axes: Axes, row: int, began: float, step: Step) -> float:
    ends = began + step.seconds.middle / 60
    colour, hatch = (SAND, "//") if step.once else (BLUE, "")
    label = WORDS["once" if step.once else "each"]
    if label in axes.get_legend_handles_labels()[1]:
        label = "_again"
    axes.barh(row, ends - began, left=began, height=0.6, color=colour, hatch=hatch, edgecolor="white", label=label)
    axes.text(ends + 0.2, row, _bounds(step.seconds), va="center", fontsize=LETTERS, color=INK)
    return ends


def _ends(axes: Axes, last: int, ready: float) -> None:
    """Draw what has no bounds: the image before, the open port behind, and the axes."""
    words = ["pull", "download", "cast", "split", "cores", "compile", "port"]
    axes.text(0.2, 0, WORDS["unknown"], va="center", fontsize=LETTERS, color=INK)
    axes.plot([0, 0], [-0.3, 0.3], color=GREY, lw=6)
    axes.plot(ready, last, marker="D", color=INK, markersize=9)
    axes.set_yticks(range(len(words)), [WORDS[word] for word in words], fontsize=LETTERS)
    axes.invert_yaxis()
    axes.set(xlabel=WORDS["axis"], xlim=(0, ready * 1.25))
    axes.legend(loc="upper right", fontsize=LETTERS, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
