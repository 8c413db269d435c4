"""Exercise 07: percentiles, Little's law, and the knee of a curve."""

from collections.abc import Iterator
from functools import partial

from inf2lab.grading.points import Given, Point

# Clients and requests a second, as three loads may show them.
CURVES = {
    2: [(1, 4.9), (2, 9.6), (4, 9.9), (8, 9.8)],
    1: [(1, 19.5), (2, 19.7), (4, 19.9)],
    16: [(1, 2.0), (2, 4.0), (4, 7.9), (8, 15.2), (16, 27.0)],
}


def judge(given: Given) -> Iterator[Point]:
    """Ask for values that were measured, for requests under way, and for the knee."""

    def percentiles() -> bool:
        percentile = given["percentile"]
        wanted = [([4, 2, 1, 3], 0.5, 2), (range(1, 101), 0.99, 99), ([7], 0.5, 7), (range(1, 9), 0.9, 8)]
        return all(percentile(list(values), share) == right for values, share, right in wanted)

    def law() -> bool:
        found = [given["under_way"](rate, mean) for rate, mean in ((10, 200), (2.5, 400), (100, 5))]
        return all(abs(one - right) < 1e-6 for one, right in zip(found, (2, 1, 0.5), strict=True))

    hint = "rank = share of the number of values, rounded up; rank 1 is the first of the sorted values"
    yield Point("percentiles are values that were measured", percentiles, hint)
    yield Point("Little's law counts the requests under way", law, "requests a second times **seconds** a request")
    for right, curve in CURVES.items():
        yield Point(
            f"the knee of a curve of {len(curve)} loads",
            partial(_knee, given, curve, right),
            "the first load after which the next one brings less than a tenth more; else the last load",
        )
    yield Point(
        "what the p90 of eight requests is",
        lambda: str(given["p90_of_8"]).strip().casefold() == "largest",
        "ask your own function: which of eight sorted values does it take?",
    )


def _knee(given: Given, curve: list[tuple[int, float]], right: int) -> bool:
    return given["knee"](list(curve)) == right
