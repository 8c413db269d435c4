"""Three ways to deploy one model: one copy, a copy on every device, replicas on several machines."""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from inf2lab import catalog
from inf2lab.catalog import Instance
from inf2lab.pictures.canvas import GREY, INK, Picture, canvas
from inf2lab.pictures.copies_on_devices import COPIES
from inf2lab.planning import judge_devices

WORDS = {
    "one": "one copy",
    "all": "{copies} copies",
    "spread": "{copies} replicas",
    "one server": "degree {degree}\n1 server, 1 worker",
    "a server": "degree {degree}\n1 server, {copies} workers",
    "servers": "degree {degree}\n{copies} servers behind a router",
    "legend": "a square is a device of {cores} cores with the number of its copy; a hatched one is idle, and paid for",
    "alt": "{title} on {machines}: {busy} of {devices} devices work",
}
LEFT, SIDE, TALL, PITCH, ROW = 0.235, 0.0205, 0.11, 0.0235, 0.31


def deployments(degree: int, larger: int, machines: Sequence[str]) -> Picture:
    """Draw one copy and all copies of `degree` on the first machine, and replicas of a `larger` degree on all."""
    first, *_ = hardware = [catalog.instance(name) for name in machines]
    here, spread = len(_held(first, degree)), sum(len(_held(one, larger)) for one in hardware)
    rows = [
        ("one", "one server", degree, [first], 1),
        ("all", "a server", degree, [first], here),
        ("spread", "servers", larger, hardware, spread),
    ]
    alts = [_alt(title, each, among, most) for title, _, each, among, most in rows]
    figure, axes = canvas(9, 3.2, "; ".join(alts))
    for row, (title, servers, each, among, most) in enumerate(rows):
        top = 0.99 - row * ROW
        axes.text(0, top, WORDS[title].format(copies=most), va="top", fontsize=11, color=INK, weight="bold")
        text = WORDS[servers].format(degree=each, copies=most)
        axes.text(0, top - 0.085, text, va="top", fontsize=9, color=INK)
        _machines(axes, top - 0.05, each, among, most)
    legend = WORDS["legend"].format(cores=first.cores_per_chip)
    axes.text(0, 0.0, legend, fontsize=9, va="bottom", color=INK)
    return figure


def _alt(title: str, degree: int, among: Iterable[Instance], most: int) -> str:
    held = [devices for one in among for devices in _held(one, degree)][:most]
    return WORDS["alt"].format(
        title=WORDS[title].format(copies=most),
        machines=", ".join(one.name for one in among),
        busy=len({(at, device) for at, devices in enumerate(held) for device in devices}),
        devices=sum(one.chips for one in among),
    )


def _held(machine: Instance, degree: int) -> tuple[tuple[int, ...], ...]:
    """Return the devices of each copy that a machine holds."""
    return judge_devices(machine, degree, range(machine.chips)).copies


def _machines(axes: Axes, top: float, degree: int, among: Iterable[Instance], most: int) -> None:
    """Draw machines side by side; the first `most` copies of them all are started."""
    left, number = LEFT, 0
    for machine in among:
        axes.text(left, top + 0.012, machine.name, fontsize=9, va="bottom", color=INK)
        _square(axes, left - 0.004, top - TALL - 0.035, machine.chips * PITCH + 0.005, TALL + 0.04, "white")
        for device in range(machine.chips):
            _square(axes, left + device * PITCH, top - TALL - 0.01, SIDE, TALL - 0.01, GREY, "xxx")
        for devices in _held(machine, degree)[: most - number]:
            for device in devices:
                x, colour = left + device * PITCH, COPIES[number % 2]
                _square(axes, x, top - TALL - 0.01, SIDE, TALL - 0.01, colour)
                middle = (x + SIDE / 2, top - TALL / 2 - 0.015)
                axes.text(*middle, str(number), fontsize=9, ha="center", va="center", color="white")
            number += 1
        left += machine.chips * PITCH + 0.024


def _square(axes: Axes, x: float, y: float, width: float, height: float, colour: str, hatch: str | None = None) -> None:
    edge = INK if colour != GREY else "white"
    axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor=edge, hatch=hatch, lw=1))
