"""The planner's queue set against a cluster: the same arrivals at both, and what so few requests can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inf2lab.planning import Pace, Prediction, answered_ideally, arrivals, predict
from inf2lab.scale.ray.bench.cluster import RayCluster
from inf2lab.scale.ray.bench.trials import settled
from inf2lab.scale.ray.bench.users import Wish, arrive, p50_ms
from inf2lab.scale.ray.spec import RaySpec

BUSY = Wish(wait_s=0.2)
DRAWS = 200


@dataclass(frozen=True)
class Queued:
    """Requests at random times on a fixed number of replicas, each busy for `service_s` with one; times in seconds.

    `ideal_...` is the planner's queue with the very arrivals of the trial: it has the same luck, and no router.
    """

    rate: float
    replicas: int
    service_s: float
    requests: int
    failed: int
    p50_s: float
    p90_s: float
    ideal_p50_s: float
    ideal_p90_s: float

    @property
    def predicted(self) -> Prediction:
        """What the planner's queue says of the same load, over all that chance may bring."""
        pace = Pace(1, self.service_s, self.service_s, 0.0, "the light folder")
        return predict(self.rate, self.replicas, pace)

    @property
    def chance_s(self) -> tuple[float, float]:
        """The p90 of the ideal queue in nine of ten trials of this size: what so few requests can tell apart."""
        drawn = sorted(_draws(self.rate, self.requests, self.replicas, self.service_s))
        return drawn[DRAWS // 20], drawn[-1 - DRAWS // 20]


def queue(cluster: RayCluster, spec: RaySpec, *, rate: float, seconds: float = 16) -> Queued:
    """Send requests at random times, a typical draw of them, to an application with a fixed number of replicas."""
    settled(cluster, spec.min_replicas)
    service_s = p50_ms(cluster.url, spec.model, 10, wish=BUSY) / 1000
    count = int(rate * seconds)
    drawn = _draws(rate, count, spec.min_replicas, BUSY.wait_s)
    typical = sorted(range(DRAWS), key=drawn.__getitem__)[DRAWS // 2]  # arrivals neither lucky nor unlucky
    asked = arrive(cluster.url, spec.model, BUSY, rate=rate, count=count, seed=typical)
    ideal = answered_ideally([one.started for one in asked], spec.min_replicas, service_s)
    return Queued(
        rate,
        spec.min_replicas,
        service_s,
        len(asked),
        sum(one.failed for one in asked),
        *_quantiles([one.took_s for one in asked]),
        *_quantiles(ideal),
    )


def _draws(rate: float, count: int, replicas: int, service_s: float) -> list[float]:
    """Return the ideal queue's p90 for many draws of the same load, by their seed."""
    return [_quantiles(answered_ideally(arrivals(rate, count, seed), replicas, service_s))[1] for seed in range(DRAWS)]


def _quantiles(times: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p90, by nearest rank: beyond a higher quantile too few of some hundred requests are left."""
    ordered = sorted(times)
    return ordered[math.ceil(0.5 * len(ordered)) - 1], ordered[math.ceil(0.9 * len(ordered)) - 1]
