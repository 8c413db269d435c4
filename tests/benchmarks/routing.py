"""Why the tail behind Ray Serve is longer than a queue's: its router simulated beside the ideal queue, same arrivals.

python tests/benchmarks/routing.py            # 20 seconds; needs neither Ray nor a server

Serve's router (ray 2.60.0, `PowerOfTwoChoicesRequestRouter`) keeps what waits. At most two tasks a replica each look at
two replicas at random; where both are full a task looks again at once, then after a pause that doubles from 25 ms to
500 ms. Whoever finds a free one gives it to the oldest request. Until somebody looks, a replica is idle.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inf2lab.planning import answer_ideally, arrivals

LOOK_S = 0.004  # two replicas are asked how busy they are
HOLD_S = 0.014  # a replica counts as busy on the way through proxy and back as well: measured, 12 to 15 ms


@dataclass(frozen=True)
class Routing:
    """The pauses between two looks (`request_router_config`) and what a replica takes (`max_ongoing_requests`)."""

    most_s: float = 0.5
    initial_s: float = 0.025
    multiplier: float = 2.0
    ongoing: int = 1

    def pause_s(self, looks: int) -> float:
        """Return the pause after so many looks in vain: none after the first."""
        return 0.0 if looks == 1 else min(self.initial_s * self.multiplier ** min(looks - 2, 40), self.most_s)


VARIANTS = {
    "Serve's default": Routing(),
    "max_backoff_s 0.1": Routing(most_s=0.1),
    "max_backoff_s 0.05": Routing(most_s=0.05),
    "25 ms, always": Routing(multiplier=1, most_s=0.025),
    "two at a replica": Routing(ongoing=2),
}


@dataclass(eq=False)
class _Task:
    """One routing task: the request that it was started for, and how often it has looked in vain."""

    request: int
    looks: int = 0
    over: bool = False


@dataclass
class Router:
    """`replicas` that work for `seconds` on each request; until `again_s` whoever has an answer asks again."""

    replicas: int
    seconds: float
    routing: Routing
    again_s: float = 0.0
    _events: list[tuple[float, int, Callable[..., None], tuple[int, ...] | tuple[_Task]]] = field(default_factory=list)

    def run(self, arrived: Sequence[float], seed: int = 0) -> list[float]:
        """Return the times that all requests took, in seconds."""
        self._draw, self._count = random.Random(seed), itertools.count()
        self._ongoing, self._free_at = [0] * self.replicas, [0.0] * self.replicas
        self._waiting: dict[int, None] = {}  # in order: the oldest first
        self._to_route: deque[int] = deque()
        self._tasks: list[_Task] = []
        self._came: list[float] = []
        self._took: list[float] = []
        for at in arrived:
            self._at(at, self._arrive)
        while self._events:
            now, _, act, about = heapq.heappop(self._events)
            act(now, *about)
        return self._took

    def _at(self, when: float, act: Callable[..., None], *about: int | _Task) -> None:
        heapq.heappush(self._events, (when, next(self._count), act, about))

    def _arrive(self, now: float) -> None:
        request = len(self._came)
        self._came.append(now)
        self._waiting[request] = None
        self._to_route.append(request)
        self._start_tasks(now)

    def _start_tasks(self, now: float) -> None:
        while self._to_route and len(self._tasks) < min(len(self._waiting), 2 * self.replicas):
            request = self._to_route.popleft()
            if request in self._waiting:
                self._tasks.append(_Task(request))
                self._at(now, self._look, self._tasks[-1])

    def _look(self, now: float, task: _Task) -> None:
        if task.over:
            return
        pair = self._draw.sample(range(self.replicas), min(2, self.replicas))
        replica = min(pair, key=lambda one: self._ongoing[one])
        if self._ongoing[replica] < self.routing.ongoing:
            self._send(now, replica)
            if not task.over:  # it served an older request, and looks on for its own
                self._at(now, self._look, task)
        else:
            task.looks += 1
            self._at(now + LOOK_S + self.routing.pause_s(task.looks), self._look, task)

    def _send(self, now: float, replica: int) -> None:
        request = next(iter(self._waiting))
        del self._waiting[request]
        for task in self._tasks:
            task.over = task.over or task.request == request
        self._tasks = [task for task in self._tasks if not task.over]
        self._ongoing[replica] += 1
        self._free_at[replica] = max(now + HOLD_S / 2, self._free_at[replica]) + self.seconds
        self._at(self._free_at[replica] + HOLD_S / 2, self._answer, request, replica)
        self._start_tasks(now)

    def _answer(self, now: float, request: int, replica: int) -> None:
        self._took.append(now - self._came[request])
        self._ongoing[replica] -= 1
        if now < self.again_s:
            self._at(now, self._arrive)


def closed(routing: Routing, users: int, replicas: int = 3, seconds: float = 0.202) -> float:
    """Return the answers a second that so many users get who ask again and again."""
    whole = 200.0
    return len(Router(replicas, seconds, routing, again_s=whole).run([0.001 * one for one in range(users)])) / whole


def main() -> None:
    """Print answers a second under users, and the times of random arrivals, for each variant."""
    print("answers a second, three replicas of 0.2 s under 3, 6 and 12 users (the ideal queue: 15)")
    for name, routing in VARIANTS.items():
        print(f"  {name:20}" + " ".join(f"{closed(routing, users):6.1f}" for users in (3, 6, 12)))
    for seconds, replicas, use in ((0.2, 3, 0.67), (5.0, 3, 0.67), (5.0, 12, 0.5), (5.0, 12, 0.8)):
        arrived = arrivals(use * replicas / seconds, 20_000, seed=1)
        print(f"{replicas} replicas of {seconds:g} s at {use:.0%} use: p50, p95, p99 in seconds, 20,000 requests")
        took = {"the ideal queue": answer_ideally(arrived, replicas, seconds + HOLD_S)}
        took |= {name: Router(replicas, seconds, routing).run(arrived) for name, routing in VARIANTS.items()}
        for name, times in took.items():
            ordered = sorted(times)
            print(f"  {name:20}" + " ".join(f"{ordered[int(at * 20_000)]:7.2f}" for at in (0.5, 0.95, 0.99)))


if __name__ == "__main__":
    main()
