"""Exercise 09: five requests a second on three sizes of instance, and what each costs."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from inf2lab.grading.points import Given, Point
from inf2lab.planning import capacity, plan_for

SIZES = ("inf2.8xlarge", "inf2.24xlarge", "inf2.48xlarge")
RATE, TOKENS = 5, 64
# Of what `fleet` returns for a size: the claim, and its hint.
_OF_A_SIZE = {
    "how many replicas on {size}": "Little's law gives the replicas that are busy; at most 80 % may be; round up",
    "how many {size}": "whole instances, each with as many copies as the plan counts",
    "what {size} costs an hour": "instances times price",
}


@cache
def truth(size: str) -> tuple[int, int, float]:
    """Return replicas, instances and US dollars an hour, as the planner answers for this load."""
    choices: dict[str, Any] = {"instance": size, "batch_size": 1, "input_tokens": TOKENS, "output_tokens": TOKENS}
    made = plan_for("opt-13b", tensor_parallel_degree=2, **choices)
    found = capacity(made, rate=RATE, p99_s=30.0)
    return found.replicas or 0, found.instances or 0, found.usd_per_hour or 0.0


def _near(found: float, right: float) -> bool:
    return abs(found - right) <= 0.01 * right


def judge(given: Given) -> Iterator[Point]:
    """Ask for replicas, instances and dollars of each size, for the cheapest, and for a million tokens."""

    def right(size: str, at: int) -> bool:
        return _near(given["fleet"](size)[at], truth(size)[at])

    for size in SIZES:
        for at, (claim, hint) in enumerate(_OF_A_SIZE.items()):
            yield Point(claim.format(size=size), partial(right, size, at), hint)
    cheapest = min(SIZES, key=lambda size: truth(size)[2])
    yield Point("the cheapest size", lambda: given["cheapest"] == cheapest, "compare dollars, not instances")
    million = truth(cheapest)[2] / (RATE * TOKENS * 3600) * 1e6
    hint = "tokens of an hour are what clients ask for, not what the chips could do"
    yield Point("a million answered tokens on it", lambda: _near(given["usd_a_million"], million), hint)
