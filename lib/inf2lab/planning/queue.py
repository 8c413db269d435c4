"""How quickly a replica answers, and a queue in front of several: by formula and, for given arrivals, exactly.

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
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inf2lab.errors import SettingsError
from inf2lab.planning.curve import HOW, CurvePoint
from inf2lab.planning.decode import mean_over_median

if TYPE_CHECKING:
    from inf2lab.planning.planner import Plan

MOST = 10_000  # replicas; beyond it a number is a typing error
# Deviations of a normal distribution from its median to a quantile, and the requests that such a quantile asks for: ten
# beyond it. Of ten requests the p99 is the slowest one, and says nothing of the slowest in a hundred.
P99 = (2.33, 1000)
P90_DEVIATIONS = 1.28
_UNSURE = 0.1  # of a capacity: as much as a replica of ten


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
    sure: str = ""  # of a measured one: how far off it may be

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


def planned_pace(plan: Plan, *, slow: bool = False) -> Pace:
    """Return the pace of one copy by the decode model: one request (a whole batch) at a time, all of full length."""
    request, time = plan.request, plan.decode.ms_per_token
    first = plan.service.ttft_ms
    each = (time.high if slow else time.mid) * mean_over_median(request)
    seconds = ((first.high if slow else first.mid) + each * max(1, request.lengths[1])) / 1e3
    return Pace(1, seconds, seconds, 0.0, f"decode model ({plan.decode.basis})")


def measured_pace(curve: Sequence[CurvePoint]) -> Pace:
    """Return the pace of one replica from a closed-loop sweep, as `inf2lab load --clients 1,2,4 --json` writes it.

    The least loaded point gives an answer's time, the highest throughput the capacity; both together the number of
    requests that are answered at once (Little), unless the server gathers a known number of them. Raises SettingsError
    for a file that is no such sweep, or one with failures.
    """
    try:
        points = sorted((point for point in curve if point["concurrentClients"]), key=_clients)
        alone, most = points[0], _clients(points[-1])
        failed = round(sum(_known(point["failedRequests"]) for point in points))
        more = alone.get("inf2lab", {})
        gathers = round(_known(more.get("gathers") or 1))
        if not failed:
            top = max(_known(point["tps"]) for point in points)
            mean, median = _known(alone["averageLatency"]) / 1e3, _known(alone["p50Latency"]) / 1e3
            deviation = _deviation(alone)
            servers = gathers if gathers > 1 else max(1, round(top * mean))
            seconds, variation = servers / top, (deviation / mean) ** 2
            sure = _how_sure(points, mean, deviation, gathers)
            if servers > MOST:
                raise ValueError(f"{servers} answers at once")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise SettingsError("curve", "the file", f"is no closed-loop sweep: {HOW}") from error
    if failed:
        raise SettingsError("curve", "the file", f"counts {failed} failed requests: mend that, and {HOW}")
    basis = f"measured with {_clients(alone)} to {most} clients"
    if most <= servers:  # the least that it can do is a plan on the safe side
        basis += "; more of them may show more"
    if more.get("lane") == "rehearsal":
        basis += "; in the rehearsal: this machine's time, not the chip's"
    return Pace(
        servers=servers,
        seconds=seconds,
        slow_s=max(seconds, median + 2.33 * deviation),
        variation=variation,
        basis=basis,
        gathers=gathers > 1,
        sure=sure,
    )


def _how_sure(points: Sequence[CurvePoint], mean: float, deviation: float, gathers: int) -> str:
    """Return how far off capacity and places may be: by the mean of few answers, and the load's uneven ends."""
    alone, top = points[0], max(points, key=lambda point: _known(point["tps"]))
    few, most = (max(1, round(_known(point["totalRequests"]))) for point in (alone, top))
    error = min(1.0, 2 * deviation / mean / math.sqrt(few) + _clients(top) / most)
    places = _known(top["tps"]) * mean
    low, high = (max(1, round(places * factor)) for factor in (1 - error, 1 + error))
    text = f"{few} requests with {_clients(alone)} clients and {most} with {_clients(top)}: within about {error:.0%}"
    if low != high and gathers == 1:
        text += f", {low} to {high} at once"
    return text + ("; more requests make it surer (`inf2lab load -n 100`)" if error > _UNSURE else "")


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

    def keeps(replicas: int) -> bool:
        return predict(rate, replicas, pace).p99_s <= p99_s

    if rate < MOST * pace.requests_per_s:  # else even so many have a queue that only grows
        high = math.floor(rate / pace.requests_per_s) + 1
        low = high
        while not keeps(high) and high < MOST:
            low, high = high + 1, min(MOST, 2 * high)
        if keeps(high):
            return bisect_left(range(high), True, low, key=keeps)  # more replicas never make it slower
    raise SettingsError("rate", rate, f"takes more than {MOST} replicas: is it per second?")


def poisson(rate: float, seed: int = 0) -> Iterator[float]:
    """Yield, without end, the times in seconds at which requests arrive at random, the same ones for the same seed."""
    draw = random.Random(seed)
    return itertools.accumulate(draw.expovariate(rate) for _ in itertools.count())


def arrivals(rate: float, count: int, seed: int = 0) -> list[float]:
    """Return the first `count` of those times."""
    return list(itertools.islice(poisson(rate, seed), count))


def answer_ideally(arrived: Sequence[float], servers: int, seconds: float) -> list[float]:
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


def _deviation(alone: CurvePoint) -> float:
    """Return the standard deviation of an answer's time in seconds, from the outermost quantile that is sound."""
    away, fewest = P99
    sound = alone["totalRequests"] >= fewest
    outermost = _known(alone["p99Latency"] if sound else alone["p90Latency"])
    return max(0.0, outermost - _known(alone["p50Latency"])) / (away if sound else P90_DEVIATIONS) / 1e3


def _clients(point: CurvePoint) -> int:
    return int(_known(point["concurrentClients"]))


def _known(value: float | None) -> float:
    """Return the value; raises TypeError for what was not measured, or is no number."""
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise TypeError("a sweep's point lacks a number")
    return value
