"""What is done to a running cluster, and what was counted: growing, shrinking, a lost replica, server and node."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from inf2lab.errors import NotReady
from inf2lab.scale.ray.bench.cluster import RayCluster, Replica
from inf2lab.scale.ray.bench.users import Asked, Users, Wish, p50_ms
from inf2lab.scale.ray.spec import RaySpec

MANY = 28  # users; with one request at a time a replica, four for each of seven
SHORT = Wish(wait_s=0.05)
STREAM = Wish(wait_s=0.1, tokens=20)
LONG = Wish(wait_s=0.1, tokens=100)


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


def grow(cluster: RayCluster, spec: RaySpec, *, users: int = MANY, timeout_s: float = 120) -> Growth:
    """Put users on the application until it has all its replicas, and on for two seconds."""
    settled(cluster, spec.min_replicas)
    with Users(cluster.url, spec.model, users, SHORT) as load:
        moments = _watch(cluster, lambda: load.waiting, spec.max_replicas, timeout_s)
        time.sleep(2)
    return _growth(moments, load.asked)


def shrink(cluster: RayCluster, spec: RaySpec, *, timeout_s: float = 120) -> Growth:
    """Let streams of growing length end one after the other, and one user go on, until one replica is left."""
    lengths = [Wish(STREAM.wait_s, tokens) for tokens in range(20, 20 + 20 * spec.max_replicas, 20)]
    ending = [Users(cluster.url, spec.model, 2, wish, once=True).__enter__() for wish in lengths]
    with Users(cluster.url, spec.model, 1, STREAM) as load:
        everyone = [load, *ending]
        moments = _watch(cluster, lambda: sum(one.waiting for one in everyone), spec.min_replicas, timeout_s)
    for one in ending:
        one.end()
    return _growth(moments, [asked for one in everyone for asked in one.asked])


def lose_replica(cluster: RayCluster, spec: RaySpec) -> Loss:
    """Kill one replica's own process."""
    settled(cluster, spec.min_replicas)
    victim = cluster.replicas()[0]
    return _lose(cluster, spec, "a replica", [victim], lambda: os.kill(victim.pid, signal.SIGKILL))


def lose_server(cluster: RayCluster, spec: RaySpec) -> Loss:
    """Kill the model server beside one replica."""
    settled(cluster, spec.min_replicas)
    victim = cluster.replicas()[0]
    return _lose(cluster, spec, "its model server", [victim], lambda: os.kill(victim.server_pid, signal.SIGKILL))


def lose_node(cluster: RayCluster, spec: RaySpec) -> Loss:
    """Kill the node with the most replicas, and all that runs there."""
    settled(cluster, spec.min_replicas)
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
    settled(cluster, replicas)
    with Users(cluster.url, spec.model, replicas, LONG, once=True) as load:
        time.sleep(2)  # all of them are being answered
        cluster.deploy(replace(many, min_replicas=1, max_replicas=1), wait=0)
    settled(cluster, 1)
    whole = sum(not one.failed for one in load.asked)
    return Streams(many.deployment_options["graceful_shutdown_timeout_s"], replicas, LONG.wait_s * LONG.tokens, whole)


def overhead(cluster: RayCluster, spec: RaySpec, requests: int = 200) -> Overhead:
    """Measure one user's median, directly at a server and through the proxy; raises MeasureError."""
    settled(cluster, spec.min_replicas)
    server = cluster.replicas()[0].url
    direct = p50_ms(server, spec.model, requests)
    return Overhead("HAProxy" if cluster.haproxy else "Python", direct, p50_ms(cluster.url, spec.model, requests))


def _lose(cluster: RayCluster, spec: RaySpec, what: str, victims: Sequence[Replica], kill: Callable[[], None]) -> Loss:
    """Kill something under a load of two users a replica, and wait until as many replicas live again."""
    before = cluster.replicas()
    known, killed = {one.id for one in before}, {one.id for one in victims}
    with Users(cluster.url, spec.model, 2 * len(before), SHORT) as load:
        time.sleep(2)
        began = time.time()
        kill()
        over = time.time()
        while True:
            living = cluster.replicas()
            new = [one for one in living if one.id not in known]
            if len(living) == len(before) and not killed & {one.id for one in living}:
                break
            if time.time() - began > 120:
                raise NotReady("the Ray application", 120, f"{len(living)} of {len(before)} replicas")
            time.sleep(0.05)
        back_s = time.time() - began
        time.sleep(2)
    answers = sorted(one.ended for one in load.asked if not one.failed and one.replica not in killed)
    around = [began, *(moment for moment in answers if moment > began)]
    return Loss(
        what=what,
        replicas=len(before),
        lost=len(known - {one.id for one in living}),
        back_s=back_s,
        load_s=max(one.load_s for one in new),
        requests=len(load.asked),
        failed=len(load.failed),
        in_flight=len(victims) * spec.max_ongoing,
        failed_later=sum(one.started > over + 1 for one in load.failed),
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


def settled(cluster: RayCluster, count: int, timeout_s: float = 120) -> None:
    """Wait until Serve itself counts `count` replicas that run and none that start or end; raises NotReady."""
    deadline = time.monotonic() + timeout_s
    while (seen := cluster.status()["replicas"]) != {"RUNNING": count}:
        if time.monotonic() > deadline:
            raise NotReady("the Ray application", timeout_s, f"{seen} instead of {count} running replicas")
        time.sleep(0.2)


def _growth(moments: Sequence[Moment], asked: Sequence[Asked]) -> Growth:
    first = next((one.at_s for one in moments if one.replicas != moments[0].replicas), moments[-1].at_s)
    return Growth(
        before=moments[0].replicas,
        after=moments[-1].replicas,
        first_s=first,
        all_s=moments[-1].at_s,
        requests=len(asked),
        failed=sum(one.failed for one in asked),
        moments=_thinned(moments),
    )


def _thinned(moments: Sequence[Moment]) -> tuple[Moment, ...]:
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
