"""How many replicas and instances a load takes, and what they cost: a queue in front of equal servers.

Requests arrive at random (Poisson). C is Erlang's share of requests that must wait, with all servers behind one queue;
the waiting time's tail is exponential, P(wait > t) = C exp(-2 (capacity - rate) t / (1 + v)), where v is the squared
coefficient of variation of the time an answer takes: exact for v = 1 (M/M/c), the usual approximation for M/G/c
elsewhere (Kingman; Allen and Cunneen). Fixed lengths in a static batch have v = 0 (M/D/c).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inf2lab.errors import SettingsError
from inf2lab.planning._decode import mean_over_median

if TYPE_CHECKING:
    from inf2lab.planning._plan import Plan

MOST = 10_000  # replicas; beyond it a number is a typing error
TAIL = 0.99


@dataclass(frozen=True)
class Pace:
    """How one replica answers: `servers` requests at once, `seconds` each; `slow_s` is the time of the slowest 1 %."""

    servers: int
    seconds: float
    slow_s: float
    variation: float  # squared coefficient of variation of the time an answer takes
    basis: str

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
    p99_s: float
    p99_apart_s: float


@dataclass(frozen=True)
class Capacity:
    """What a load takes. `careful` is for the slow end of the time an answer takes; None: no number helps."""

    rate: float
    p99_s: float
    pace: Pace
    replicas: int | None
    careful: int | None
    prediction: Prediction | None
    instance: str
    replicas_per_instance: int
    instances: int | None
    usd_per_hour: float | None
    assumptions: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"requests_per_s_of_a_replica": self.pace.requests_per_s}


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
    share, mean, half, tail = _waits(rate, replicas * pace.servers, pace)
    apart = _waits(rate / replicas, pace.servers, pace)[3]
    use = rate * pace.seconds / (replicas * pace.servers)
    return Prediction(
        replicas, use, share, mean, pace.seconds + half, pace.slow_s + tail, pace.slow_s + apart
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
    requests that are answered at once (Little). Raises SettingsError for a file that is no such sweep.
    """
    try:
        points = [point for point in curve if point["concurrentClients"] and point["tps"]]
        alone = min(points, key=lambda point: point["concurrentClients"])
        top = max(point["tps"] for point in points)
        seconds, slow = alone["averageLatency"] / 1e3, alone["p99Latency"] / 1e3
    except (KeyError, TypeError, ValueError) as error:
        reason = "is no closed-loop sweep: write one with `inf2lab load --clients 1,2,4,8 --json FILE`"
        raise SettingsError("curve", "the file", reason) from error
    servers = max(1, round(top * seconds))
    spread = (
        max(0.0, slow - seconds) / 2.33 / seconds
    )  # a normal distribution's 99 % are 2.33 deviations away
    basis = (
        f"measured with {alone['concurrentClients']} to {max(p['concurrentClients'] for p in points)} clients"
    )
    return Pace(servers, servers / top, max(slow, servers / top), spread**2, basis)


def read_curve(path: Path) -> list[Mapping[str, Any]]:
    """Return the results in a file of `inf2lab load --json`; raises SettingsError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError("curve", str(path), f"cannot be read as JSON ({error})") from error
    return found if isinstance(found, list) else [found]


def read_seconds(text: str) -> float:
    """Return the seconds of "2s", "500ms" or "2"; raises SettingsError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|)\s*", text)
    value = float(match[1]) / (1e3 if match[2] == "ms" else 1) if match else 0.0
    if not value:
        raise SettingsError("p99", text, "write seconds or milliseconds, as in 2s or 500ms")
    return value


def capacity(
    plan: Plan, *, rate: float, p99_s: float, curve: Sequence[Mapping[str, Any]] | None = None
) -> Capacity:
    """Return replicas, instances and price for `rate` requests a second at a p99 of at most `p99_s` seconds.

    `curve` is a measured sweep of one replica, which then replaces the decode model. Raises SettingsError.
    """
    if rate <= 0:
        raise SettingsError("rate", rate, "must be above 0 requests a second")
    each = len(plan.copies)
    pace = measured_pace(curve) if curve else planned_pace(plan)
    needed = replicas_for(rate, p99_s, pace) if each else None
    careful = needed if curve else replicas_for(rate, p99_s, planned_pace(plan, slow=True)) if each else None
    instances = None if needed is None else math.ceil(needed / each)
    price = plan.service.usd_per_hour
    return Capacity(
        rate=rate,
        p99_s=p99_s,
        pace=pace,
        replicas=needed,
        careful=careful,
        prediction=None if needed is None else predict(rate, needed, pace),
        instance=plan.request.instance,
        replicas_per_instance=each,
        instances=instances,
        usd_per_hour=None if instances is None or price is None else instances * price,
        assumptions=_assumptions(plan, pace, measured=bool(curve)),
    )


def capacity_rows(found: Capacity) -> list[tuple[str, str]]:
    """Return (subject, found) for a table."""
    pace, seen = found.pace, found.prediction
    one = f"{pace.seconds:.2f} s a request, {pace.servers} at once: {pace.requests_per_s:.2f} requests/s ({pace.basis})"
    rows = [("load", f"{found.rate:g} requests/s, p99 at most {found.p99_s:g} s"), ("a replica", one)]
    if seen is None:
        reason = (
            f"one answer alone takes {pace.slow_s:.2f} s" if found.replicas_per_instance else "no copy fits"
        )
        rows.append(("replicas", f"no number is enough: {reason}; write less, or raise the degree"))
    else:
        careful = f"; {found.careful} if an answer takes its slow end" if found.careful else ""
        if found.careful is None:
            careful = "; at the slow end of an answer's time no number is enough"
        rows += [
            ("replicas", f"{found.replicas} at {seen.use:.0%} use{careful}"),
            (
                "then",
                f"p50 {seen.p50_s:.2f} s, p99 {seen.p99_s:.2f} s; {seen.waiting_share:.0%} of the requests wait",
            ),
            (
                "apart",
                f"p99 {seen.p99_apart_s:.2f} s if each replica has a queue of its own (a Kubernetes Service)",
            ),
            (
                "instances",
                f"{found.instances} x {found.instance}, {found.replicas_per_instance} replicas on each",
            ),
        ]
        if found.usd_per_hour is not None:
            rows.append(("price", f"{found.usd_per_hour:.2f} USD/h"))
    return rows + [("assumes" if not number else "", text) for number, text in enumerate(found.assumptions)]


def _waits(rate: float, servers: int, pace: Pace) -> tuple[float, float, float, float]:
    """Return the share that waits, and the waiting time's mean, median and 99 % quantile."""
    spare = servers / pace.seconds - rate
    if spare <= 0:
        return 1.0, math.inf, math.inf, math.inf
    share = erlang_c(servers, rate * pace.seconds)
    decay = 2 * spare / (1 + pace.variation)

    def quantile(at: float) -> float:
        return max(0.0, math.log(share / (1 - at)) / decay) if share else 0.0

    return share, share / decay, quantile(0.5), quantile(TAIL)


def _assumptions(plan: Plan, pace: Pace, *, measured: bool) -> tuple[str, ...]:
    request = plan.request
    prompt, answer = request.lengths
    model = "M/D/c" if not pace.variation else f"M/G/c with a squared variation of {pace.variation:.2f}"
    length = (
        "requests are like the measured ones"
        if measured
        else f"a request is {request.batch_size} prompts of {prompt} tokens and answers of {answer}"
    )
    return (
        f"{model}: arrivals at random (Poisson), one queue for all replicas, first come first served",
        f"{length}; a replica answers {pace.servers} at once",
        "every replica is loaded and compiled, the network takes no time, and nothing is held back for a replica that "
        "fails or a rate that rises",
        "p99 adds the slowest answers to the longest waits, which rarely meet: it errs to the safe side",
    )
