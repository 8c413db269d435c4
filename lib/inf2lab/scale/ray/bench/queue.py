"""The planner's queue set against a cluster: the same arrivals at both, and what so few requests can tell apart."""

from collections.abc import Iterable
from dataclasses import dataclass

from inf2lab.measure import Load, Times, run
from inf2lab.planning import Pace, Prediction, answer_ideally, arrivals, predict
from inf2lab.scale.ray.bench.cluster import RayCluster
from inf2lab.scale.ray.bench.light_folder import light_target, p50_ms
from inf2lab.scale.ray.bench.trials import wait_settled
from inf2lab.scale.ray.spec import RaySpec

BUSY_S = 0.2
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
    wait_settled(cluster, spec.min_replicas)
    target = light_target(cluster.url, model=spec.model, wait_s=BUSY_S)
    service_s = p50_ms(target, 10, warm_up=1) / 1000
    count = int(rate * seconds)
    drawn = _draws(rate, count, spec.min_replicas, BUSY_S)
    typical = sorted(range(DRAWS), key=drawn.__getitem__)[DRAWS // 2]  # arrivals neither lucky nor unlucky
    found = run(target, Load(rate=rate, requests=count, seed=typical, warm_up=0))
    ideal = answer_ideally([row.due_s for row in found.rows], spec.min_replicas, service_s)
    return Queued(
        rate,
        spec.min_replicas,
        service_s,
        len(found.rows),
        sum(found.errors.values()),
        *_quantiles(row.latency_s for row in found.rows),
        *_quantiles(ideal),
    )


def _draws(rate: float, count: int, replicas: int, service_s: float) -> list[float]:
    """Return the ideal queue's p90 for many draws of the same load, by their seed."""
    return [_quantiles(answer_ideally(arrivals(rate, count, seed), replicas, service_s))[1] for seed in range(DRAWS)]


def _quantiles(seconds: Iterable[float]) -> tuple[float, float]:
    """Return p50 and p90 in seconds: beyond a higher quantile too few of some hundred requests are left."""
    times = Times.of(seconds)
    return (times.at(0.5) or 0.0) / 1e3, (times.at(0.9) or 0.0) / 1e3
