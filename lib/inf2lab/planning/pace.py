"""How quickly one replica answers: from the decode model, or from a measured sweep of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inf2lab.errors import SettingsError
from inf2lab.planning.decode import mean_over_median
from inf2lab.planning.queue import Pace

if TYPE_CHECKING:
    from inf2lab.planning.planner import Plan

HOW = "write one with `inf2lab load --clients 1,2,4,8 --json FILE`"
# Deviations of a normal distribution from its median to a quantile, and the requests that such a quantile asks for: ten
# beyond it. Of ten requests the p99 is the slowest one, and says nothing of the slowest in a hundred.
DEVIATIONS = {"p99Latency": (2.33, 1000), "p90Latency": (1.28, 0)}


def planned_pace(plan: Plan, *, slow: bool = False) -> Pace:
    """Return the pace of one copy by the decode model: one request (a whole batch) at a time, all of full length."""
    request, time = plan.request, plan.decode.ms_per_token
    first = plan.service.ttft_ms
    each = (time.high if slow else time.mid) * mean_over_median(request)
    seconds = ((first.high if slow else first.mid) + each * max(1, request.lengths[1])) / 1e3
    return Pace(1, seconds, seconds, 0.0, f"decode model ({plan.decode.basis})")


def measured_pace(curve: Sequence[Mapping[str, Any]]) -> Pace:
    """Return the pace of one replica from a closed-loop sweep, as `inf2lab load --clients 1,2,4 --json` writes it.

    The least loaded point gives an answer's time, the highest throughput the capacity; both together the number of
    requests that are answered at once (Little), unless the server gathers a known number of them. Raises SettingsError
    for a file that is no such sweep, or one with failures.
    """
    try:
        points = sorted(
            (point for point in curve if point["concurrentClients"]),
            key=lambda point: point["concurrentClients"],
        )
        alone, last = points[0], points[-1]
        failed = sum(point["failedRequests"] for point in points)
        more = alone.get("inf2lab", {})
        gathers = more.get("gathers") or 1
        if not failed:
            top = max(point["tps"] for point in points)
            mean, median = alone["averageLatency"] / 1e3, alone["p50Latency"] / 1e3
            deviation = _deviation(alone)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise SettingsError("curve", "the file", f"is no closed-loop sweep: {HOW}") from error
    if failed:
        raise SettingsError("curve", "the file", f"counts {failed} failed requests: mend that, and {HOW}")
    servers = gathers if gathers > 1 else max(1, round(top * mean))
    seconds = servers / top
    basis = f"measured with {alone['concurrentClients']} to {last['concurrentClients']} clients"
    if last["concurrentClients"] <= servers:  # the least that it can do is a plan on the safe side
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


def read_curve(path: Path) -> list[Mapping[str, Any]]:
    """Return the results in a file of `inf2lab load --json`; raises SettingsError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError("curve", str(path), f"cannot be read as JSON ({error})") from error
    return found if isinstance(found, list) else [found]


def _deviation(alone: Mapping[str, Any]) -> float:
    """Return the standard deviation of an answer's time in seconds, from the outermost quantile that is sound."""
    away, name = next((away, name) for name, (away, fewest) in DEVIATIONS.items() if alone["totalRequests"] >= fewest)
    return max(0.0, alone[name] - alone["p50Latency"]) / away / 1e3
