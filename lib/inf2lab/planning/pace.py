"""How quickly one replica answers: from the decode model, or from a measured sweep of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inf2lab.errors import SettingsError
from inf2lab.planning.curve import HOW, CurvePoint
from inf2lab.planning.decode import mean_over_median
from inf2lab.planning.queue import Pace

if TYPE_CHECKING:
    from inf2lab.planning.planner import Plan

# Deviations of a normal distribution from its median to a quantile, and the requests that such a quantile asks for: ten
# beyond it. Of ten requests the p99 is the slowest one, and says nothing of the slowest in a hundred.
P99 = (2.33, 1000)
P90_DEVIATIONS = 1.28


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
        failed = sum(point["failedRequests"] for point in points)
        more = alone.get("inf2lab", {})
        gathers = more.get("gathers") or 1
        if not failed:
            top = max(_known(point["tps"]) for point in points)
            mean, median = _known(alone["averageLatency"]) / 1e3, _known(alone["p50Latency"]) / 1e3
            deviation = _deviation(alone)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise SettingsError("curve", "the file", f"is no closed-loop sweep: {HOW}") from error
    if failed:
        raise SettingsError("curve", "the file", f"counts {failed} failed requests: mend that, and {HOW}")
    servers = gathers if gathers > 1 else max(1, round(top * mean))
    seconds = servers / top
    basis = f"measured with {_clients(alone)} to {most} clients"
    if most <= servers:  # the least that it can do is a plan on the safe side
        basis += "; more of them may show more"
    if more.get("lane") == "rehearsal":
        basis += "; in the rehearsal: this machine's time, not the chip's"
    return Pace(
        servers=servers,
        seconds=seconds,
        slow_s=max(seconds, median + 2.33 * deviation),
        variation=(deviation / mean) ** 2,
        basis=basis,
        gathers=gathers > 1,
    )


def _deviation(alone: CurvePoint) -> float:
    """Return the standard deviation of an answer's time in seconds, from the outermost quantile that is sound."""
    away, fewest = P99
    sound = alone["totalRequests"] >= fewest
    outermost = _known(alone["p99Latency"] if sound else alone["p90Latency"])
    return max(0.0, outermost - _known(alone["p50Latency"])) / (away if sound else P90_DEVIATIONS) / 1e3


def _clients(point: CurvePoint) -> int:
    return int(_known(point["concurrentClients"]))


def _known(value: float | None) -> float:
    """Return the value; raises TypeError for what was not measured."""
    if value is None:
        raise TypeError("a sweep's point lacks a number")
    return value
