"""Exercise 08: an evening's log, four failed requests, and the line where each cause stands."""

from collections.abc import Iterator
from functools import partial

from inf2lab.grading.points import Given, Point, Unanswered, matched

TRUTH = {1: "b", 2: "e", 3: "f", 4: "c"}
LINES = {1: 9, 2: 20, 3: 26, 4: 36}
LOADS = 3
_HINTS = {
    1: "an error without words: the exception's name is all there is, and it says that something has no next one",
    2: "the tokenizer wants text, and it got something else: which body has it under another key?",
    3: "the server gave up first; the handler never raised",
    4: "two processes: the server speaks, the worker does not. Why not?",
}


def judge(given: Given) -> Iterator[Point]:
    """Ask for each request's cause and line, and how often the model was loaded."""
    yield from matched(given, "cause", TRUTH, _HINTS)
    for number, right in LINES.items():
        yield Point(
            f"the line where the cause of request {number} stands",
            partial(_stands, given, number, right),
            "a line that names a consequence, or wraps what another one said, is not the cause",
        )
    yield Point("how often the model was loaded", lambda: given["loads"] == LOADS, "count what only a load prints")


def _stands(given: Given, number: int, right: int) -> bool:
    found = given["line"].get(number, ...)
    if found is ...:
        raise Unanswered(f"`line[{number}]` is not answered yet: write a number in place of the three dots")
    return found == right
