"""What the trials showed, as tables and a picture for the notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from inf2lab.scale.ray.bench.queue import Queued
from inf2lab.scale.ray.bench.trials import Growth, Loss, Moment, Overhead
from inf2lab.scale.ray.spec import RaySpec

if TYPE_CHECKING:
    from inf2lab.pictures import Picture

WHY = {
    "max_ongoing_requests": "requests that a replica works on at once; Ray's default is 5",
    "max_backoff_s": "longest pause between looks for a free replica; Ray's is 0.5",
    "min_replicas": "replicas that always run, and always cost money",
    "max_replicas": "the most that may run: the upper end of the bill",
    "target_ongoing_requests": "more requests than this for each replica: add one",
    "upscale_delay_s": "the need must last so long before a replica is added",
    "downscale_delay_s": "it must be gone so long before a replica ends",
    "graceful_shutdown_timeout_s": "time for a replica to finish its answers; Ray's is 20",
    "health_check_period_s": "pause between checks; a dead server is seen without them",
}


def options_table(spec: RaySpec) -> str:
    """Return the deployment's options, a line each with its reason."""
    options = spec.deployment_options
    values = {**options, **options["autoscaling_config"], **options["request_router_config"]}
    lines = [f"{'cores a replica':28} {spec.neuron_cores:>6}  the folder's tensor parallel degree"]
    lines += [f"{name:28} {values[name]:>6g}  {reason}" for name, reason in WHY.items()]
    return "\n".join(lines)


def overhead_table(overheads: Iterable[Overhead]) -> str:
    """Return the medians at one user, in ms."""
    lines = [f"{'proxy':10} {'direct':>8} {'through':>8} {'added':>8}   ms, median of one user"]
    lines += [f"{one.proxy:10} {one.direct_ms:8.1f} {one.through_ms:8.1f} {one.added_ms:8.1f}" for one in overheads]
    return "\n".join(lines)


def loss_table(losses: Iterable[Loss]) -> str:
    """Return what was killed, what that cost, and when all replicas were back."""
    lines = [f"{'killed':18} {'replicas lost':>13} {'requests':>9} {'failed':>7} {'all back after':>15}"]
    lines += [
        f"{one.what:18} {one.lost:>6} of {one.replicas:<4} {one.requests:>9} {one.failed:>7} {one.back_s:>13.1f} s"
        for one in losses
    ]
    return "\n".join(lines)


def queue_table(queued: Iterable[Queued]) -> str:
    """Return p50 and p90 in ms: as the planner's formula says, its queue with the same arrivals, and as measured."""
    lines = []
    for one in queued:
        said = one.predicted
        rows = {"p50": (said.p50_s, one.ideal_p50_s, one.p50_s), "p90": (said.p90_s, one.ideal_p90_s, one.p90_s)}
        lines += [
            f"{one.rate:g} requests/s on {one.replicas} replicas of {1000 * one.service_s:.0f} ms: {said.use:.0%} use",
            f"  {'':4} {'formula':>10} {'same arrivals':>15} {'measured':>10}   ms, of {one.requests} requests",
            *(f"  {name:4} {1e3 * a:10.0f} {1e3 * b:15.0f} {1e3 * c:10.0f}" for name, (a, b, c) in rows.items()),
            "  by chance alone nine of ten such trials have a p90 between {:.0f} and {:.0f} ms".format(
                *(1000 * time for time in one.chance_s)
            ),
        ]
    return "\n".join(lines)


def autoscaling(grown: Growth, shrunk: Growth) -> Picture:
    """Draw replicas and waiting requests over time, up and down again."""
    from inf2lab.pictures import BLUE, RED, Picture

    alt = (
        f"from {grown.before} to {grown.after} replicas while requests wait, "
        f"and back to {shrunk.after} as the streams end"
    )
    figure = Picture(8, 2.9, alt)
    halves = zip(figure.subplots(1, 2, sharey=True), (grown, shrunk), ("28 users come", "streams end"), strict=True)
    for axes, growth, title in halves:
        at = [moment.at_s for moment in growth.moments]
        waiting, replicas = (_values(growth.moments, name) for name in ("waiting", "replicas"))
        axes.step(at, waiting, where="post", color=RED, ls=":", label="requests unanswered")
        axes.step(at, replicas, where="post", color=BLUE, lw=2, label="replicas")
        axes.set(title=title, xlabel="seconds", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _values(moments: Sequence[Moment], name: str) -> list[int]:
    return [getattr(moment, name) for moment in moments]
