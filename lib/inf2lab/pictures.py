"""The notebooks' pictures: the two lanes, memory a core, the ring of devices. Hatch and words say what colour does."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from inf2lab.planning import Plan, ring_runs
from neuron_rules import CORE_BYTES, GIB, RESERVE_BRACKET_GIB, CoreBytes

BLUE, SAND, GREY, RED, INK = "#4477aa", "#ddcc77", "#bbbbbb", "#aa3344", "#222222"
CORE_GIB = CORE_BYTES / GIB


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
    _box(axes, 0.02, 0.70, 0.96, 0.24, "notebooks, client, plan\nthe same code in both lanes", GREY)
    _box(
        axes,
        0.02,
        0.38,
        0.96,
        0.22,
        "models/opt13b/serving.properties + model.py\nthe same files, byte for byte",
        SAND,
    )
    _box(
        axes,
        0.02,
        0.04,
        0.46,
        0.24,
        "rehearsal: this machine\nDJL's own worker, an emulated chip, small weights",
        BLUE,
        "white",
    )
    _box(
        axes,
        0.52,
        0.04,
        0.46,
        0.24,
        "inf2: an instance\nDJLServing's container, NeuronCores, OPT-13B",
        RED,
        "white",
    )
    for x, top, bottom in ((0.25, 0.70, 0.60), (0.75, 0.70, 0.60), (0.25, 0.38, 0.28), (0.75, 0.38, 0.28)):
        axes.annotate("", (x, bottom), (x, top), arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.5})
    return figure


def memory_bars(memory: Mapping[str, CoreBytes]) -> Picture:
    """Draw bytes on one core by kind, a bar a configuration, below the core's 16 GiB and the runtime's share."""
    totals = ", ".join(f"{name}: {one.total / GIB:.2f} GiB" for name, one in memory.items())
    figure = Picture(8, 0.9 + 0.55 * len(memory), f"memory on each NeuronCore of 16 GiB; {totals}")
    axes = figure.subplots()
    names, left = list(memory), [0.0] * len(memory)
    kinds = (
        ("weights", "weights", BLUE, ""),
        ("kv_cache", "KV cache", SAND, "//"),
        ("padding", "padding", GREY, "xx"),
    )
    for attribute, label, colour, hatch in kinds:
        sizes = [getattr(one, attribute) / GIB for one in memory.values()]
        axes.barh(names, sizes, left=left, color=colour, hatch=hatch, edgecolor="white", label=label)
        left = [a + b for a, b in zip(left, sizes, strict=True)]
    for row, total in enumerate(left):
        axes.text(total + 0.15, row, f"{total:.2f}", va="center", color=INK)
    low, high = (CORE_GIB - reserve for reserve in reversed(RESERVE_BRACKET_GIB))
    axes.axvspan(low, high, color=RED, alpha=0.25, label="uncertain")
    axes.axvline(CORE_GIB, color=RED, lw=2, label="16 GiB core")
    axes.invert_yaxis()
    axes.set(xlabel="GiB on each NeuronCore", xlim=(0, max(18, *left) * 1.08))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=5, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def ring(plan: Plan, devices: Sequence[int] | None = None) -> Picture:
    """Draw the instance's devices in their ring, labelled with the copy of the model each belongs to.

    `devices` are those that a container is given; a copy takes neighbours among them.
    """
    chips = plan.settings.hardware.chips
    given = set(range(chips) if devices is None else devices)
    size = len(plan.copies[0].devices)
    runs = sorted(ring_runs(given, chips))
    groups = [list(run[at : at + size]) for run in runs for at in range(0, len(run) - size + 1, size)]
    owner = {device: number for number, group in enumerate(groups) for device in group}
    alt = f"{chips} devices in a ring; copies of the model on {groups}"
    figure, axes = _canvas(5.2, 5.2, alt)
    for device in range(chips):
        angle = math.pi / 2 - 2 * math.pi * device / chips
        x, y = 0.5 + 0.38 * math.cos(angle), 0.5 + 0.38 * math.sin(angle)
        after = math.pi / 2 - 2 * math.pi * (device + 1) / chips
        axes.plot([x, 0.5 + 0.38 * math.cos(after)], [y, 0.5 + 0.38 * math.sin(after)], color=GREY, zorder=0)
        used = device in owner
        face, text = (BLUE, "white") if used else ("white", INK)
        label = (
            f"{device}\ncopy {owner[device]}"
            if used
            else f"{device}\n{'idle' if device in given else 'not given'}"
        )
        axes.text(
            *(x, y, label),
            ha="center",
            va="center",
            color=text,
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": face, "edgecolor": INK},
        )
    axes.text(
        0.5, 0.5, f"{plan.settings.instance}\n{chips} devices in a ring", ha="center", va="center", color=INK
    )
    return figure


def _canvas(width: float, height: float, alt: str) -> tuple[Picture, Axes]:
    figure = Picture(width, height, alt)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    return figure, axes


def _box(
    axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str, ink: str = INK
) -> None:
    style = FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.02", fc=colour, ec=INK
    )
    axes.add_patch(style)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=ink, fontsize=10)
