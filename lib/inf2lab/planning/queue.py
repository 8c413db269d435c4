"""A queue in front of equal servers: what a load does to it, by formula and, for given arrivals, exactly.

Requests arrive at random (Poisson). C is Erlang's share of requests that must wait, with all servers behind one queue;
the waiting time's tail is exponential, P(wait > t) = C exp(-2 (capacity - rate) t / (1 + v)), where v is the squared
coefficient of variation of the time an answer takes: exact for v = 1 (M/M/c), the usual approximation for M/G/c
elsewhere (Kingman; Allen and Cunneen). Fixed lengths in a static batch have v = 0 (M/D/c).
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inf2lab.errors import SettingsError

MOST = 10_000  # replicas; beyond it a number is a typing error


@dataclass(frozen=True)
class Pace:
    """How one replica answers: `servers` requests at once, `seconds` each; `slow_s` is the time of the slowest 1 %.

    `gathers`: the requests answered at once begin together, as in a static batch; who comes later waits for its end.
    """

    servers: int
    seconds: float
    slow_s: float
    variation: float  # squared coefficient of variation of the time an answer takes
    basis: str
    gathers: bool = False

    @property
    def requests_per_s(self) -> float:
        """What one replica answers when it never waits."""
        return self.servers / self.seconds


@dataclass(frozen=True)
class Prediction:
    """A load on so many replicas: use of capacity, share of requests that wait, and their times in seconds.

    `p99_apart_s` is the time where each replica has a queue of its own, as behind a Kubernetes Service.
    """

    replicas: int
    use: float
    waiting_share: float
    wait_mean_s: float
    p50_s: float
    p90_s: float
    p99_s: float
    p99_apart_s: float


def erlang_c(servers: int, load: float) -> float:
    """Return the share of requests that find all servers busy; `load` is rate x seconds, 1 from `servers` on."""
    if load >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def predict(rate: float, replicas: int, pace: Pace) -> Prediction:
    """Return what a rate (requests a second) does to so many replicas; times are infinite from full use on."""
    queue, alone = _Queue(rate, replicas, pace), _Queue(rate / replicas, 1, pace)
    return Prediction(
        replicas=replicas,
        use=rate * pace.seconds / (replicas * pace.servers),
        waiting_share=max(queue.share, queue.running),
        wait_mean_s=queue.mean_s,
        p50_s=pace.seconds + queue.wait_s(0.5),
        p90_s=pace.slow_s + queue.wait_s(0.9),
        p99_s=pace.slow_s + queue.wait_s(0.99),
        p99_apart_s=pace.slow_s + alone.wait_s(0.99),
    )


def replicas_for(rate: float, p99_s: float, pace: Pace) -> int | None:
    """Return the fewest replicas that keep p99 below `p99_s`; None where no number does."""
    if pace.slow_s > p99_s:
        return None
    low, high = 1, max(1, math.floor(rate / pace.requests_per_s) + 1)
    while predict(rate, high, pace).p99_s > p99_s:
        low, high = high + 1, 2 * high
        if high > 2 * MOST:
            raise SettingsError("rate", rate, f"takes more than {MOST} replicas: is it per second?")
    while low < high:  # more replicas never make it slower
        middle = (low + high) // 2
        low, high = (low, middle) if predict(rate, middle, pace).p99_s <= p99_s else (middle + 1, high)
    return low


def poisson(rate: float, seed: int = 0) -> Iterator[float]:
    """Yield, without end, the times in seconds at which requests arrive at random, the same ones for the same seed."""
    draw = random.Random(seed)
    return itertools.accumulate(draw.expovariate(rate) for _ in itertools.count())


def arrivals(rate: float, count: int, seed: int = 0) -> list[float]:
    """Return the first `count` of those times."""
    return list(itertools.islice(poisson(rate, seed), count))


def answered_ideally(arrived: Sequence[float], servers: int, seconds: float) -> list[float]:
    """Return how long requests that arrive then take if who has waited longest gets a server once it is free."""
    free, took = [-math.inf] * servers, []
    for at in sorted(arrived):
        end = max(at, heapq.heappop(free)) + seconds
        heapq.heappush(free, end)
        took.append(end - at)
    return took


@dataclass(frozen=True)
class _Queue:
    """The waiting time at so many replicas behind one queue."""

    rate: float
    replicas: int
    pace: Pace

    @property
    def share(self) -> float:
        """Of the requests, those that find all places taken."""
        return erlang_c(self.replicas * self.pace.servers, self.rate * self.pace.seconds)

    @property
    def running(self) -> float:
        """Of the requests, those that find a batch running: none where they join at any time.

        A run of batches goes on until none arrives during one (exp(-load)): the mean of its length over the cycle's.
        """
        load = self.rate / self.replicas * self.pace.seconds
        return load / (load + math.exp(-load)) if self.pace.gathers else 0.0

    @property
    def decay(self) -> float:
        spare = self.replicas * self.pace.requests_per_s - self.rate
        return 2 * spare / (1 + self.pace.variation)

    @property
    def mean_s(self) -> float:
        if self.decay <= 0:
            return math.inf
        return self.share / self.decay + self.running * self.pace.seconds / 2

    def wait_s(self, at: float) -> float:
        """Return the waiting time's quantile: for a place, and in a static batch for the end of the one that runs."""
        if self.decay <= 0:
            return math.inf
        place = max(0.0, math.log(self.share / (1 - at)) / self.decay) if self.share else 0.0
        end = max(0.0, 1 - (1 - at) / self.running) * self.pace.seconds if self.running else 0.0
        return place + end
