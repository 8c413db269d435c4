"""What one core holds, and what the runtime needs of its memory."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from inf2lab.pictures.canvas import BLUE, GREY, INK, RED, SAND, Picture
from inf2lab.pictures.letters import folded
from inf2lab.planning import Plan, headlines
from neuron_rules import CORE_BYTES, GIB

CORE_GIB = CORE_BYTES / GIB
# What a core holds: attribute of CoreBytes, its name in the legend, colour and hatch.
KINDS = (("weights", "weights", BLUE, ""), ("kv_cache", "KV cache", SAND, "//"), ("padding", "padding", GREY, "xx"))
WORDS = {
    "alt": f"memory on each NeuronCore of {CORE_GIB:.0f} GiB; {{verdicts}}",
    "axis": f"GiB on each NeuronCore of {CORE_GIB:.0f} GiB",
    "one": "one core",
    "needs": "the runtime needs",
    "may need": "and may need",
}


def memory_bars(plans: Mapping[str, Plan]) -> Picture:
    """Draw what one core holds by kind, a bar a plan, against what the runtime needs of the core's 16 GiB."""
    verdicts = [f"{name}: {one.memory.total / GIB:.2f} GiB {one.verdict.fit}" for name, one in plans.items()]
    alt = WORDS["alt"].format(verdicts=", ".join(verdicts))
    figure = Picture(8, 1.1 + 0.5 * len(plans), alt)
    _draw_bars(figure.subplots(), plans)
    return figure


def verdicts(plan: Plan) -> Picture:
    """Draw one plan: the bar of one core, and below it the answers that the sliders of the planner change."""
    lines = [f"{subject}: {found}" for subject, found in headlines(plan)]
    figure = Picture(8, 3.9, (plan.request.title, *lines))
    bars, below = figure.subplots(2, height_ratios=(1, 1.5))
    _draw_bars(bars, {WORDS["one"]: plan})
    bars.set_title(plan.request.title, color=INK, fontsize=10)
    below.axis("off")
    text = "\n".join(folded(line, 105, "      ") for line in lines)
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
        axes.barh(row, low, left=CORE_GIB - low, hatch="///", label=WORDS["needs"], **behind)
        axes.barh(row, high - low, left=CORE_GIB - high, hatch="...", label=WORDS["may need"], **behind)
        axes.text(max(CORE_GIB, left[row]) + 0.2, row, f"{left[row]:.2f} {one.verdict.fit}", va="center", color=INK)
    axes.axvline(CORE_GIB, color=RED, lw=2)
    axes.set_yticks(rows, list(plans))
    axes.invert_yaxis()
    axes.set(xlabel=WORDS["axis"], xlim=(0, max(CORE_GIB, *left) + 5))
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
        fontsize=9,
        frameon=False,
        columnspacing=1.2,
    )
    axes.spines[["top", "right"]].set_visible(False)
