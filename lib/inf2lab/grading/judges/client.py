"""Exercise 06: a patient client, and what to do about four answers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from inf2lab.grading.points import Given, Point, matched

TRUTH = {1: "c", 2: "e", 3: "a", 4: "f"}
_HINTS = {
    1: "424 comes from the handler; which exception has a key's name in quotes for its text?",
    2: "no body, no error: what does the server think that it was sent?",
    3: "whose name is in this path?",
    4: "two numbers stand in this error: who chose which?",
}


@dataclass
class Reply:
    """An answer of a server that is not there."""

    status: int

    @property
    def ok(self) -> bool:
        """Whether it is an answer."""
        return self.status == 200


@dataclass
class Busy:
    """An endpoint that refuses so many requests before it answers, and counts."""

    refusals: int
    then: int = 200
    asked: int = 0
    pauses: list[float] = field(default_factory=list)

    def send(self, body: Any) -> Reply:
        """Answer the next request."""
        self.asked += 1
        return Reply(503 if self.asked <= self.refusals else self.then)


def watched(client: Callable[..., Any], endpoint: Busy, **more: Any) -> Any:
    """Call a client while sleeping takes no time and is noted."""
    slept, names = time.sleep, client.__globals__
    bound = [name for name, value in names.items() if value is slept]
    try:
        time.sleep = endpoint.pauses.append  # type: ignore[assignment]
        names.update(dict.fromkeys(bound, endpoint.pauses.append))
        return client(endpoint, {"text": "hello"}, **more)
    finally:
        time.sleep = slept
        names.update(dict.fromkeys(bound, slept))


def judge(given: Given) -> Iterator[Point]:
    """Ask for patience, growing pauses, an end, and no second try of what stays wrong."""

    def asks(refusals: int, then: int, **more: Any) -> tuple[int, int, list[float]]:
        endpoint = Busy(refusals, then)
        return watched(given["send_patiently"], endpoint, **more).status, endpoint.asked, endpoint.pauses

    def grows() -> bool:
        pauses = asks(4, 200, first_pause_s=0.1)[2]
        return len(pauses) == 4 and all(later > earlier for earlier, later in pairwise(pauses))

    yield Point("a free server is asked once", lambda: asks(0, 200)[:2] == (200, 1), "503 alone means later")
    yield Point("a busy server is asked again", lambda: asks(3, 200)[:2] == (200, 4), "ask while the status is 503")
    yield Point("each pause is longer than the one before", grows, "multiply the pause after each try")
    yield Point("a wrong body is not sent twice", lambda: asks(0, 424)[:2] == (424, 1), "only 503 means later")
    yield Point(
        "after `most` requests it returns the last answer",
        lambda: asks(99, 200, most=5)[:2] == (503, 5),
        "count the requests, the first one too",
    )
    yield from matched(given, "to_do", TRUTH, _HINTS)
