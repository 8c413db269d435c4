"""Exercise 02: the degree that keeps most prompts under way on a whole instance."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial

from inf2lab.grading.points import Given, Point
from inf2lab.planning import plan
from inf2lab.settings import Settings

DEGREES = (2, 4, 8, 12, 24)
BATCHES = (1, 2, 4, 8, 16, 32)


@cache
def truth() -> dict[int, int]:
    """Return the rows of all copies together with the largest batch that fits, for each degree."""
    found = dict.fromkeys(DEGREES, 0)
    for degree in DEGREES:
        for batch in BATCHES:
            made = plan(replace(Settings(instance="inf2.48xlarge"), tensor_parallel_degree=degree, batch_size=batch))
            if made.verdict.fit == "fits":
                found[degree] = batch * len(made.copies)
    return found


def judge(given: Given) -> Iterator[Point]:
    """Ask for the rows at each degree, and for the best one."""
    rows = truth()
    for degree, right in rows.items():
        hint = "the largest batch that surely fits, times the copies; `uncertain` is not `fits`"
        yield Point(f"the rows at degree {degree}", partial(_found, given, degree, right), hint)
    best = max(rows, key=lambda degree: rows[degree])
    yield Point("the degree that keeps most rows under way", lambda: given["best"] == best, "compare all five")


def _found(given: Given, degree: int, right: int) -> bool:
    return given["rows_at_once"](degree) == right
