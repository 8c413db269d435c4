"""The notebooks' pictures: the two lanes, memory a core, the ring of devices. Hatch and words say what colour does."""

import datetime
import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from inf2lab import catalog
from inf2lab.planning import Plan, headlines, judge_devices
from neuron_rules import CORE_BYTES, GIB

BLUE, SAND, GREY, RED, INK = "#4477aa", "#ddcc77", "#bbbbbb", "#aa3344", "#222222"
CORE_GIB = CORE_BYTES / GIB
# What a core holds: attribute of CoreBytes, its name in the legend, colour and hatch.
KINDS = (("weights", "weights", BLUE, ""), ("kv_cache", "KV cache", SAND, "//"), ("padding", "padding", GREY, "xx"))
# What stands in both lanes and in each: left, bottom, width, height, colour, text.
_LANES = (
    (0.02, 0.70, 0.96, 0.24, GREY, "notebooks, client, plan\nthe same code in both lanes"),
    (0.02, 0.38, 0.96, 0.22, SAND, "models/opt13b/serving.properties + model.py\nthe same files, byte for byte"),
    (0.02, 0.04, 0.46, 0.24, BLUE, "rehearsal: this machine\nDJL's own worker, an emulated chip, small weights"),
    (0.52, 0.04, 0.46, 0.24, RED, "inf2: an instance\nDJLServing's container, NeuronCores, OPT-13B"),
)


class Picture(Figure):
    """A figure that shows itself in a notebook; its text form, for readers who do not see it, is `alt`."""

    def __init__(self, width: float, height: float, alt: str) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        self.alt = alt

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"

    def _repr_png_(self) -> bytes:
        """Return the picture as PNG; this is what Jupyter asks for."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=90)
        return file.getvalue()


def lanes() -> Picture:
    """Draw what is the same in both lanes and what plays the chip in the rehearsal."""
    alt = "notebooks and model folder are shared; below them either this machine or an inf2 instance"
    figure, axes = _canvas(9, 3.6, alt)
    for box in _LANES:
        _box(axes, *box)
    for x, top, bottom in ((0.25, 0.70, 0.60), (0.75, 0.70, 0.60), (0.25, 0.38, 0.28), (0.75, 0.38, 0.28)):
        axes.annotate("", (x, bottom), (x, top), arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.5})
    return figure


def timeline(events: Sequence[tuple[datetime.date, str]]) -> Picture:
    """Draw what happened when: a row an event, its day to scale on the left, its words on the right."""
    figure = Picture(9, 0.8 + 0.5 * len(events), "; ".join(f"{day} {what}" for day, what in events))
    axes, words = figure.subplots(1, 2, sharey=True, width_ratios=(1, 2.2))
    first, last = events[0][0].year, events[-1][0].year + 1
    for row, (day, what) in enumerate(events):
        axes.hlines(row, datetime.date(first, 1, 1).toordinal(), day.toordinal(), color=GREY, lw=1)
        axes.plot(day.toordinal(), row, "o", color=RED, markersize=7)
        words.text(
            0, row, textwrap.fill(f"{day}  {what}", 78, break_on_hyphens=False), fontsize=9, color=INK, va="center"
        )
    axes.set(ylim=(len(events) - 0.4, -0.6), yticks=[])
    years = range(first, last + 1)
    axes.set_xticks([datetime.date(year, 1, 1).toordinal() for year in years], [str(year) for year in years])
    axes.xaxis.tick_top()
    for side in ("left", "right", "bottom"):
        axes.spines[side].set_visible(False)
    words.axis("off")
    return figure


def memory_bars(plans: Mapping[str, Plan]) -> Picture:
    """Draw what one core holds by kind, a bar a plan, against what the runtime needs of the core's 16 GiB."""
    verdicts = [f"{name}: {one.memory.total / GIB:.2f} GiB {one.verdict.fit}" for name, one in plans.items()]
    alt = f"memory on each NeuronCore of {CORE_GIB:.0f} GiB; {', '.join(verdicts)}"
    figure = Picture(8, 1.1 + 0.5 * len(plans), alt)
    _draw_bars(figure.subplots(), plans)
    return figure


def verdicts(plan: Plan) -> Picture:
    """Draw one plan: the bar of one core, and below it the answers that the sliders of the planner change."""
    lines = [f"{subject}: {found}" for subject, found in headlines(plan)]
    figure = Picture(8, 3.9, "; ".join((plan.request.title, *lines)))
    bars, below = figure.subplots(2, height_ratios=(1, 1.5))
    _draw_bars(bars, {"one core": plan})
    bars.set_title(plan.request.title, color=INK, fontsize=10)
    below.axis("off")
    text = "\n".join(textwrap.fill(line, 105, subsequent_indent="      ", break_on_hyphens=False) for line in lines)
    below.text(-0.1, 0.9, text, va="top", color=INK, fontsize=9, linespacing=1.5, transform=below.transAxes)
    return figure


def _draw_bars(axes: Axes, plans: Mapping[str, Plan]) -> None:
    rows, left = range(len(plans)), [0.0] * len(plans)
    for attribute, label, colour, hatch in KINDS:
        sizes = [getattr(one.memory, attribute) / GIB for one in plans.values()]
        if any(sizes):
            axes.barh(rows, sizes, 0.5, left, color=colour, hatch=hatch, edgecolor="white", label=label)
        left = [a + b for a, b in zip(left, sizes, strict=True)]
    for row, one in enumerate(plans.values()):
        low, high = one.memory_verdict.reserve_gib
        behind: dict[str, Any] = {"height": 0.9, "facecolor": "#f3d9dd", "edgecolor": RED, "lw": 0, "zorder": 0}
        axes.barh(row, low, left=CORE_GIB - low, hatch="///", label="the runtime needs", **behind)
        axes.barh(row, high - low, left=CORE_GIB - high, hatch="...", label="and may need", **behind)
        axes.text(max(CORE_GIB, left[row]) + 0.2, row, f"{left[row]:.2f} {one.verdict.fit}", va="center", color=INK)
    axes.axvline(CORE_GIB, color=RED, lw=2)
    axes.set_yticks(rows, list(plans))
    axes.invert_yaxis()
    axes.set(xlabel=f"GiB on each NeuronCore of {CORE_GIB:.0f} GiB", xlim=(0, max(CORE_GIB, *left) + 5))
    axes.set_xticks(range(0, int(CORE_GIB) + 1, 4))
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(reversed(labels), reversed(handles), strict=True))
    labels = list(dict.fromkeys(labels))
    axes.legend(
        [once[label] for label in labels],
        labels,
        loc="upper left",
        bbox_to_anchor=(0, -0.2 - 0.45 / len(plans)),
        ncols=5,
        fontsize=8.5,
        frameon=False,
        columnspacing=1.2,
    )
    axes.spines[["top", "right"]].set_visible(False)


def ring(plan: Plan, devices: Iterable[int] | None = None) -> Picture:
    """Draw the instance's devices in their ring or torus, labelled with the copy of the model each belongs to.

    `devices` are those that a container is given, by default all; a copy that is torn apart is red and says so.
    """
    hardware = plan.request.hardware
    chips = hardware.chips
    judged = judge_devices(hardware, plan.request.tensor_parallel_degree, range(chips) if devices is None else devices)
    owners: dict[int, list[int]] = {}
    for number, copy in enumerate(judged.copies):
        for device in copy:
            owners.setdefault(device, []).append(number)
    apart = {device for copy in judged.broken for device in copy}
    alt = f"{chips} devices in a {hardware.topology}; copies of the model on {_list(judged.copies)}"
    figure, axes = _canvas(5.2, 5.2, f"{alt}; not neighbours: {_list(judged.broken)}" if apart else alt)
    columns = catalog.topology(hardware.topology).columns
    points = _on_a_torus(axes, chips, columns) if columns else _on_a_ring(axes, chips)
    for device, (x, y) in enumerate(points):
        label = _owner(owners.get(device, []), device in apart, device in judged.given)
        face = RED if device in apart else BLUE if device in owners else "white"
        axes.text(
            *(x, y, f"{device}\n{label}"),
            ha="center",
            va="center",
            color="white" if device in owners else INK,
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": face, "edgecolor": INK},
        )
    where = (0.5, 0.98) if columns else (0.5, 0.5)
    shape = f"torus of {columns} columns" if columns else "ring"
    axes.text(*where, f"{hardware.name}\n{chips} devices in a {shape}", ha="center", va="center", color=INK)
    return figure


def _on_a_ring(axes: Axes, chips: int) -> list[tuple[float, float]]:
    """Draw the links of a ring; returns where each device stands."""
    places = [math.pi / 2 - 2 * math.pi * device / chips for device in range(chips)]
    points = [(0.5 + 0.38 * math.cos(angle), 0.5 + 0.38 * math.sin(angle)) for angle in places]
    axes.plot(*zip(*points, points[0], strict=True), color=GREY, zorder=0)
    return points


def _on_a_torus(axes: Axes, chips: int, columns: int) -> list[tuple[float, float]]:
    """Draw the links of a torus, the ends of which meet round the edge; returns where each device stands."""
    xs = [0.14 + 0.72 * column / (columns - 1) for column in range(columns)]
    rows = chips // columns
    ys = [0.86 - 0.72 * row / (rows - 1) for row in range(rows)]
    for x in xs:
        axes.plot([x, x], [0.03, 0.93], color=GREY, zorder=0)
    for y in ys:
        axes.plot([0, 1], [y, y], color=GREY, zorder=0)
    return [(xs[device % columns], ys[device // columns]) for device in range(chips)]


def _owner(copies: Sequence[int], apart: bool, given: bool) -> str:
    if not copies:
        return "idle" if given else "not given"
    name = f"copy {copies[0]}" if len(copies) == 1 else f"copies {', '.join(map(str, copies))}"
    return f"{name}\napart" if apart else name


def _list(copies: Iterable[Iterable[int]]) -> str:
    return "; ".join(", ".join(map(str, copy)) for copy in copies)


def _canvas(width: float, height: float, alt: str) -> tuple[Picture, Axes]:
    figure = Picture(width, height, alt)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    return figure, axes


def _box(axes: Axes, x: float, y: float, width: float, height: float, colour: str, text: str) -> None:
    ink = "white" if colour in (BLUE, RED) else INK
    style = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.02", fc=colour, ec=INK)
    axes.add_patch(style)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=ink, fontsize=10)
