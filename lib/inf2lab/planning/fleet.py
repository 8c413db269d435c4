"""How many replicas and instances a load takes, with head-room and a replica to spare, and what they cost."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from inf2lab import catalog
from inf2lab.errors import SettingsError
from inf2lab.planning.curve import CurvePoint
from inf2lab.planning.queue import MOST, Pace, Prediction, measured_pace, planned_pace, predict, replicas_for
from inf2lab.words import plural

if TYPE_CHECKING:
    from inf2lab.planning.planner import Plan


@dataclass(frozen=True)
class Fleet:
    """Replicas by each rule: the p99 alone, the p99 with some of them lost, the use of capacity. The most counts."""

    p99: int
    spare: int
    use: int

    @property
    def replicas(self) -> int:
        """How many that takes."""
        return max(self.p99, self.spare, self.use)

    @property
    def decided_by(self) -> str:
        """The rule that asked for the most: p99, spare or use."""
        return "p99" if self.replicas == self.p99 else "spare" if self.replicas == self.spare else "use"


@dataclass(frozen=True)
class Capacity:
    """What a load takes. `careful` is for the slow end of the time an answer takes; None: no number helps.

    `use` is the largest share of the replicas' capacity that is planned with, `spare` how many of them may be lost.
    """

    rate: float
    p99_s: float
    use: float
    spare: int
    pace: Pace
    fleet: Fleet | None
    careful: Fleet | None
    prediction: Prediction | None
    instance: str
    replicas_per_instance: int
    instances: int | None
    usd_per_hour: float | None
    assumptions: tuple[str, ...]

    @property
    def replicas(self) -> int | None:
        """How many replicas; None: no number helps."""
        return self.fleet.replicas if self.fleet else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {
            "replicas": self.replicas,
            "decided_by": self.fleet.decided_by if self.fleet else None,
            "requests_per_s_of_a_replica": self.pace.requests_per_s,
        }


def fleet_for(rate: float, p99_s: float, pace: Pace, *, use: float, spare: int) -> Fleet | None:
    """Return the replicas that each rule asks for; None where no number keeps the p99. Raises SettingsError.

    With `spare` of them lost the others keep the p99; only with all of them is the use of capacity at most `use`.
    """
    enough = replicas_for(rate, p99_s, pace)
    if enough is None:
        return None
    # A hair less, because 0.8 is a binary fraction and 8 of 10 would take 11.
    roomy = rate / pace.requests_per_s / use - 1e-9
    if roomy > 2 * MOST:
        raise SettingsError("use", use, f"takes more than {2 * MOST} replicas: is it a share of 1?")
    return Fleet(enough, enough + spare, max(1, math.ceil(roomy)))


def read_seconds(text: str) -> float:
    """Return the seconds of "2s", "500ms" or "2"; raises SettingsError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|)\s*", text)
    value = float(match[1]) / (1e3 if match[2] == "ms" else 1) if match else 0.0
    if not 0 < value < math.inf:
        raise SettingsError("p99", text, "write seconds or milliseconds, as in 2s or 500ms")
    return value


def capacity(
    plan: Plan,
    *,
    rate: float,
    p99_s: float,
    use: float | None = None,
    spare: int | None = None,
    curve: Sequence[CurvePoint] | None = None,
) -> Capacity:
    """Return replicas, instances and price for `rate` requests a second at a p99 of at most `p99_s` seconds.

    `use` and `spare` are the catalog's customary head-room unless given. `curve` is a measured sweep of one replica,
    which then replaces the decode model. Raises SettingsError.
    """
    customary = catalog.headroom()
    use = customary.use if use is None else use
    spare = customary.spare if spare is None else spare
    if not 0 < rate < math.inf:
        raise SettingsError("rate", rate, "must be above 0 requests a second")
    if not 0 < use <= 1:
        raise SettingsError("use", use, "must be above 0 and at most 1, as in 0.8 for four fifths")
    if not 0 <= spare <= MOST:
        raise SettingsError("spare", spare, f"must be 0 or more replicas, and at most {MOST}")
    each = len(plan.copies)
    measured = curve is not None
    pace = planned_pace(plan) if curve is None else measured_pace(curve)
    slow = pace if measured else planned_pace(plan, slow=True)
    needed, careful = (fleet_for(rate, p99_s, one, use=use, spare=spare) if each else None for one in (pace, slow))
    instances = None if needed is None else math.ceil(needed.replicas / each)
    price = plan.service.usd_per_hour
    return Capacity(
        rate=rate,
        p99_s=p99_s,
        use=use,
        spare=spare,
        pace=pace,
        fleet=needed,
        careful=careful,
        prediction=None if needed is None else predict(rate, needed.replicas, pace),
        instance=plan.request.instance,
        replicas_per_instance=each,
        instances=instances,
        usd_per_hour=None if instances is None or price is None else instances * price,
        assumptions=_assumptions(plan, pace, measured=measured),
    )


def capacity_rows(found: Capacity) -> list[tuple[str, str]]:
    """Return (subject, found) for a table."""
    pace, seen = found.pace, found.prediction
    one = f"{pace.seconds:.2f} s a request, {pace.servers} at once: {pace.requests_per_s:.2f} requests/s ({pace.basis})"
    rows = [("load", f"{found.rate:g} requests/s, p99 at most {found.p99_s:g} s"), ("a replica", one)]
    if pace.sure:
        rows.append(("how sure", pace.sure))
    if seen is None or found.fleet is None:
        reason = f"one answer alone takes {pace.slow_s:.2f} s" if found.replicas_per_instance else "no copy fits"
        rows.append(("replicas", f"no number is enough: {reason}; write less, or raise the degree"))
    else:
        careful = ""  # a measured pace has no slow end of its own
        if found.careful is None:
            careful = "; at the slow end of an answer's time no number is enough"
        elif found.careful != found.fleet:
            careful = f"; {found.careful.replicas} if an answer takes its slow end"
        rows += [
            ("replicas", f"{found.replicas} at {seen.use:.0%} use{careful}"),
            ("decided by", _decision(found, found.fleet)),
            ("then", f"p50 {seen.p50_s:.2f} s, p99 {seen.p99_s:.2f} s; {seen.waiting_share:.0%} of the requests wait"),
            ("apart", f"p99 {seen.p99_apart_s:.2f} s if each replica has a queue of its own (a Kubernetes Service)"),
            ("instances", f"{found.instances} x {found.instance}, {found.replicas_per_instance} replicas on each"),
        ]
        if found.usd_per_hour is not None:
            rows.append(("price", f"{found.usd_per_hour:.2f} USD/h"))
    return rows + [("assumes" if not number else "", text) for number, text in enumerate(found.assumptions)]


def _decision(found: Capacity, fleet: Fleet) -> str:
    """Return the rule that decided, and what the others ask for."""
    rules = {
        "p99": f"the p99 alone ({fleet.p99})",
        "spare": f"the p99 with {found.spare} lost ({fleet.spare})",
        "use": f"head-room, at most {found.use:.0%} use ({fleet.use})",
    }
    first = rules.pop(fleet.decided_by)
    if not found.spare:
        rules.pop("spare", None)
    return f"{first}; the other rules: {', '.join(rules.values())}"


def _assumptions(plan: Plan, pace: Pace, *, measured: bool) -> tuple[str, ...]:
    request = plan.request
    prompt, answer = request.lengths
    model = "M/D/c" if not pace.variation else f"M/G/c with a squared variation of {pace.variation:.2f}"
    length = (
        "requests are like the measured ones"
        if measured
        else f"a request is {plural(request.batch_size, 'prompt')} of {prompt} tokens, each answered with {answer}"
    )
    joins = ", begun together: who comes later waits for their end" if pace.gathers else ""
    each = len(plan.copies)
    lost = f"; an instance takes {each} replicas with it, for which --spare {each} plans" if each > 1 else ""
    return (
        f"{model}: arrivals at random (Poisson), one queue for all replicas, first come first served",
        f"{length}; a replica answers {pace.servers} at once{joins}",
        f"replicas fail one by one{lost}; every replica is loaded and compiled",
        "neither network nor router takes time: --curve, measured through your router, has both",
        "p99 adds the slowest answers to the longest waits, which rarely meet: it errs to the safe side",
    )
