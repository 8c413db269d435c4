"""The devices of an instance in their ring or torus, and which copy of the model each belongs to."""

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes

from inf2lab import catalog
from inf2lab.pictures.canvas import BLUE, GREY, INK, RED, Picture, canvas
from inf2lab.planning import Plan, judge_devices

WORDS = {
    "alt": "{chips} devices in a {topology}; copies of the model on {copies}",
    "alt apart": "{alt}; not neighbours: {broken}",
    "title": "{instance}\n{chips} devices in a {shape}",
    "ring": "ring",
    "torus": "torus of {columns} columns",
    "idle": "idle",
    "not given": "not given",
    "copy": "copy {numbers}",
    "copies": "copies {numbers}",
    "apart": "{name}\napart",
}


def ring(plan: Plan, devices: Iterable[int] | None = None) -> Picture:
    """Draw the instance's devices in their ring or torus, labelled with the copy of the model each belongs to.

    `devices` are those that a container is given, by default all. A copy whose devices are not neighbours is red and
    says so.
    """
    hardware = plan.request.hardware
    chips = hardware.chips
    judged = judge_devices(hardware, plan.request.tensor_parallel_degree, range(chips) if devices is None else devices)
    owners: dict[int, list[int]] = {}
    for number, copy in enumerate(judged.copies):
        for device in copy:
            owners.setdefault(device, []).append(number)
    apart = {device for copy in judged.broken for device in copy}
    alt = WORDS["alt"].format(chips=chips, topology=hardware.topology, copies=_list(judged.copies))
    if apart:
        alt = WORDS["alt apart"].format(alt=alt, broken=_list(judged.broken))
    figure, axes = canvas(5.2, 5.2, alt)
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
            fontsize=9,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": face, "edgecolor": INK},
        )
    where = (0.5, 0.98) if columns else (0.5, 0.5)
    shape = WORDS["torus"].format(columns=columns) if columns else WORDS["ring"]
    title = WORDS["title"].format(instance=hardware.name, chips=chips, shape=shape)
    axes.text(*where, title, ha="center", va="center", color=INK)
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
        return WORDS["idle" if given else "not given"]
    name = WORDS["copy" if len(copies) == 1 else "copies"].format(numbers=", ".join(map(str, copies)))
    return WORDS["apart"].format(name=name) if apart else name


def _list(copies: Iterable[Iterable[int]]) -> str:
    return "; ".join(", ".join(map(str, copy)) for copy in copies)
