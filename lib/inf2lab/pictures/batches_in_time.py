"""Who shares the chip with whom, and when: four requests under three ways to make a batch, played on one clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from inf2lab.pictures.canvas import BLUE, GREY, INK, RED, SAND, Picture

WAYS = {
    "alone": "One request after the other (a batch of 1)",
    "together": "The server collects two requests, and both wait for the longer one",
    "rolling": "Rolling batch: a row is free as soon as its text ends",
}
WORDS = {
    "waits": "waits",
    "works": "its tokens are made",
    "padding": "row is computed for nothing",
    "request": "request",
    "axis": "steps of the model (each makes one token for every row of the batch)",
    "all done": "all answered after {} steps",
}
ARRIVED = (0, 1, 2, 3)  # the step before which each request comes
TOKENS = (8, 3, 6, 4)  # that each wants
ROWS = 2


@dataclass(frozen=True)
class Share:
    """One request's time: it comes, its row begins, its text ends, and its row is free."""

    came: int
    began: int
    ended: int
    free: int


def alone(arrived: Sequence[int], tokens: Sequence[int]) -> Iterator[Share]:
    """Yield each request's share when it has the model to itself."""
    free = 0
    for came, count in zip(arrived, tokens, strict=True):
        began = max(came, free)
        free = began + count
        yield Share(came, began, free, free)


def together(arrived: Sequence[int], tokens: Sequence[int], rows: int = ROWS) -> Iterator[Share]:
    """Yield each request's share when the server waits for `rows` of them, and a batch ends as a whole."""
    free = 0
    for first in range(0, len(arrived), rows):
        came, counts = arrived[first : first + rows], tokens[first : first + rows]
        began = max(*came, free)
        free = began + max(counts)
        yield from (Share(at, began, began + count, free) for at, count in zip(came, counts, strict=True))


def rolling(arrived: Sequence[int], tokens: Sequence[int], rows: int = ROWS) -> Iterator[Share]:
    """Yield each request's share when it takes the first row that is free."""
    free = [0] * rows
    for came, count in zip(arrived, tokens, strict=True):
        row = free.index(min(free))
        began = max(came, free[row])
        free[row] = began + count
        yield Share(came, began, free[row], free[row])


PLAYED = {
    "alone": tuple(alone(ARRIVED, TOKENS)),
    "together": tuple(together(ARRIVED, TOKENS)),
    "rolling": tuple(rolling(ARRIVED, TOKENS)),
}


def batches() -> Picture:
    """Draw the three ways one below the other on one clock."""
    ends = {way: max(share.free for share in shares) for way, shares in PLAYED.items()}
    told = "; ".join(f"{WAYS[way]}: {WORDS['all done'].format(end)}" for way, end in ends.items())
    figure = Picture(9, 5.4, told)
    columns = figure.subplots(3, sharex=True)
    for axes, (way, shares) in zip(columns, PLAYED.items(), strict=True):
        _draw(axes, shares)
        axes.set_title(f"{WAYS[way]}: {WORDS['all done'].format(ends[way])}", loc="left", fontsize=10, color=INK)
    columns[-1].set_xlabel(WORDS["axis"], fontsize=9.5)
    figure.legend(
        *columns[1].get_legend_handles_labels(), fontsize=9, ncols=3, frameon=False, loc="outside upper right"
    )
    return figure


def _draw(axes: Axes, shares: Sequence[Share]) -> None:
    for row, share in enumerate(shares):
        named = share is shares[0]
        parts = (
            (share.came, share.began, SAND, "//", WORDS["waits"]),
            (share.began, share.ended, BLUE, "", WORDS["works"]),
            (share.ended, share.free, GREY, "xx", WORDS["padding"]),
        )
        for start, end, colour, hatch, label in parts:
            axes.barh(
                row,
                end - start,
                0.7,
                start,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                label=label if named else None,
            )
        axes.plot(share.came, row, ">", color=RED, markersize=5, zorder=3)
    axes.set_yticks(range(len(shares)), [f"{WORDS['request']} {number + 1}" for number in range(len(shares))])
    axes.invert_yaxis()
    axes.tick_params(labelsize=9)
    axes.set_xticks(range(0, 1 + max(share.free for share in PLAYED["alone"]), 2))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=GREY, linewidth=0.4)
    axes.set_axisbelow(True)
