"""What is done to a running cluster, and what was counted: growing, shrinking, a lost replica, server and node."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from inf2lab.errors import NotReady
from inf2lab.measure import Row, Target
from inf2lab.scale.ray.bench.cluster import PATIENCE_S, LiveReplica, RayCluster
from inf2lab.scale.ray.bench.light_folder import light_target, p50_ms, rows_so_far, users
from inf2lab.scale.ray.spec import RaySpec

MANY = 28  # users; with one request at a time a replica, four for each of seven
SHORT_S = 0.05
TOKEN_S = 0.1
LONG = 100  # tokens


@dataclass(frozen=True)
class Moment:
    """The cluster at one time: seconds since the trial began, replicas that live, requests that wait for an answer."""

    at_s: float
    replicas: int
    waiting: int


@dataclass(frozen=True)
class Growth:
    """From one number of replicas to another under load: how long it took and what became of the requests."""

    before: int
    after: int
    first_s: float  # until the number changed for the first time
    all_s: float
    requests: int
    failed: int
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Loss:
    """Something was killed under load. `in_flight` is what the killed replicas were working on at most."""

    what: str
    replicas: int
    lost: int
    back_s: float  # until as many replicas live as before
    load_s: float  # of that, the longest that a new server took to load
    requests: int
    failed: int
    in_flight: int
    failed_later: int  # failed, and sent after the kill was over: must be none
    longest_gap_s: float  # between two answers of replicas that were not killed


@dataclass(frozen=True)
class Streams:
    """Long streams while all replicas but one were told to end, under one shutdown time-out."""

    timeout_s: float
    streams: int
    stream_s: float
    whole: int


@dataclass(frozen=True)
class Overhead:
    """Medians at one user in ms: the server asked directly, and through Serve's proxy."""

    proxy: str
    direct_ms: float
    through_ms: float

    @property
    def added_ms(self) -> float:
        """What the way through Serve costs."""
        return self.through_ms - self.direct_ms


def grow(cluster: RayCluster, spec: RaySpec, *, many: int = MANY, timeout_s: float = PATIENCE_S) -> Growth:
    """Put users on the application until it has all its replicas, and on for two seconds."""
    wait_settled(cluster, spec.min_replicas)
    with users(_target(cluster, spec), many) as load:
        moments = _watch(cluster, lambda: load.waiting, spec.max_replicas, timeout_s)
        time.sleep(2)
    return _growth(moments, rows_so_far(load))


def shrink(cluster: RayCluster, spec: RaySpec, *, timeout_s: float = PATIENCE_S) -> Growth:
    """Let streams of growing length end one after the other, and one user go on, until one replica is left."""
    streams = [_target(cluster, spec, tokens) for tokens in range(20, 20 + 20 * spec.max_replicas, 20)]
    ending = [users(stream, 2, once=True).begin() for stream in streams]
    with users(streams[0], 1) as load:
        everyone = [load, *ending]
        moments = _watch(cluster, lambda: sum(one.waiting for one in everyone), spec.min_replicas, timeout_s)
    for one in ending:
        one.wait()
    return _growth(moments, [row for one in everyone for row in rows_so_far(one)])


def lose_replica(cluster: RayCluster, spec: RaySpec) -> Loss:
    """Kill one replica's own process."""
    wait_settled(cluster, spec.min_replicas)
    victim = cluster.replicas()[0]
    return _lose(cluster, spec, "a replica", [victim], lambda: os.kill(victim.pid, signal.SIGKILL))


def lose_server(cluster: RayCluster, spec: RaySpec) -> Loss:
    """Kill the model server beside one replica."""
    wait_settled(cluster, spec.min_replicas)
    victim = cluster.replicas()[0]
    return _lose(cluster, spec, "its model server", [victim], lambda: os.kill(victim.server_pid, signal.SIGKILL))


def lose_node(cluster: RayCluster, spec: RaySpec) -> Loss:
    """Kill the node with the most replicas, and all that runs there."""
    wait_settled(cluster, spec.min_replicas)
    living = cluster.replicas()
    node = max({one.node for one in living}, key=lambda number: sum(one.node == number for one in living))
    victims = [one for one in living if one.node == node]
    return _lose(cluster, spec, "a node", victims, lambda: cluster.kill_node(node))


def cut(cluster: RayCluster, spec: RaySpec, *, timeout_s: float | None = None, replicas: int = 3) -> Streams:
    """Ask `replicas` for a long stream each, tell all but one to end, and count the streams that came whole.

    `timeout_s` stands in for the application's own shutdown time-out.
    """
    many = replace(spec, min_replicas=replicas, max_replicas=replicas, shutdown_s=timeout_s)
    cluster.deploy(many, wait=replicas)
    wait_settled(cluster, replicas)
    with users(_target(cluster, spec, LONG), replicas, once=True) as load:
        time.sleep(2)  # all of them are being answered
        cluster.deploy(replace(many, min_replicas=1, max_replicas=1), wait=0)
    wait_settled(cluster, 1)
    whole = sum(row.ok for row in rows_so_far(load))
    return Streams(many.deployment_options["graceful_shutdown_timeout_s"], replicas, TOKEN_S * LONG, whole)


def overhead(cluster: RayCluster, spec: RaySpec, requests: int = 200) -> Overhead:
    """Measure one user's median, directly at a server and through the proxy; raises MeasureError."""
    wait_settled(cluster, spec.min_replicas)
    urls = (cluster.replicas()[0].url, cluster.url)
    direct, through = (p50_ms(light_target(url, model=spec.model), requests) for url in urls)
    return Overhead("HAProxy" if cluster.haproxy else "Python", direct, through)


def _target(cluster: RayCluster, spec: RaySpec, tokens: int = 0) -> Target:
    return light_target(cluster.url, model=spec.model, wait_s=TOKEN_S if tokens else SHORT_S, tokens=tokens)


def _lose(
    cluster: RayCluster, spec: RaySpec, what: str, victims: Sequence[LiveReplica], kill: Callable[[], None]
) -> Loss:
    """Kill something under a load of two users a replica, and wait until as many replicas live again."""
    before = cluster.replicas()
    known, killed = {one.id for one in before}, {one.id for one in victims}
    with users(_target(cluster, spec), 2 * len(before)) as load:
        while not known <= {sample.replica for sample in load.samples}:  # until each of them was asked
            time.sleep(0.05)
        began = time.perf_counter()
        kill()
        over = time.perf_counter()
        while True:
            living = cluster.replicas()
            new = [one for one in living if one.id not in known]
            if len(living) == len(before) and not killed & {one.id for one in living}:
                break
            if time.perf_counter() - began > PATIENCE_S:
                raise NotReady("the Ray application", PATIENCE_S, f"{len(living)} of {len(before)} replicas")
            time.sleep(0.05)
        back_s = time.perf_counter() - began
        time.sleep(2)
    asked = rows_so_far(load)
    failed = [row for row in asked if not row.ok]
    answers = sorted(load.start + row.ended_s for row in asked if row.ok and row.replica not in killed)
    around = [began, *(moment for moment in answers if moment > began)]
    return Loss(
        what=what,
        replicas=len(before),
        lost=len(known - {one.id for one in living}),
        back_s=back_s,
        load_s=max(one.load_s for one in new),
        requests=len(asked),
        failed=len(failed),
        in_flight=len(victims) * spec.max_ongoing,
        failed_later=sum(load.start + row.sent_s > over + 1 for row in failed),
        longest_gap_s=max(b - a for a, b in pairwise(around)),
    )


def _watch(cluster: RayCluster, waiting: Callable[[], int], until: int, timeout_s: float) -> list[Moment]:
    began = time.time()
    moments: list[Moment] = []
    while True:
        count = len(cluster.replicas())
        moments.append(Moment(round(time.time() - began, 2), count, waiting()))
        if count == until:
            return moments
        if time.time() - began > timeout_s:
            raise NotReady("the Ray application", timeout_s, f"{count} replicas instead of {until}")
        time.sleep(0.2)


def wait_settled(cluster: RayCluster, count: int) -> None:
    """Wait until Serve itself counts `count` replicas that run and none that start or end; raises NotReady."""
    deadline = time.monotonic() + PATIENCE_S
    while (seen := cluster.status()["replicas"]) != {"RUNNING": count}:
        if time.monotonic() > deadline:
            raise NotReady("the Ray application", PATIENCE_S, f"{seen} instead of {count} running replicas")
        time.sleep(0.2)


def _growth(moments: Sequence[Moment], asked: Sequence[Row]) -> Growth:
    first = next((one.at_s for one in moments if one.replicas != moments[0].replicas), moments[-1].at_s)
    return Growth(
        before=moments[0].replicas,
        after=moments[-1].replicas,
        first_s=first,
        all_s=moments[-1].at_s,
        requests=len(asked),
        failed=sum(not row.ok for row in asked),
        moments=_thin(moments),
    )


def _thin(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """Return the moments at which something changed, and those before them: a picture needs no more."""
    kept = [
        one
        for before, one, after in zip([None, *moments], moments, [*moments[1:], None], strict=False)
        if before is None
        or after is None
        or (one.replicas, one.waiting) != (before.replicas, before.waiting)
        or (one.replicas, one.waiting) != (after.replicas, after.waiting)
    ]
    return tuple(kept)
