"""The planner's queue beside measured times: on a server that is such a queue, and beside Serve's router, simulated."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings
from inf2lab.planning import answer_ideally, arrivals
from inf2lab.scale.ray.bench import queue
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.bench.queue import Queued
from inf2lab.scale.ray.spec import RaySpec

if TYPE_CHECKING:
    from conftest import Listen

QUEUED = Queued(10, 3, 0.2, 160, 0, p50_s=0.25, p90_s=0.5, ideal_p50_s=0.2, ideal_p90_s=0.4)


class _Handler(BaseHTTPRequestHandler):
    """Three places, first come first served, and a tenth of a second for each request."""

    protocol_version = "HTTP/1.1"
    places = threading.Semaphore(3)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.places:
            time.sleep(0.1)
        self.send_response(200)
        self.send_header("Content-Length", "15")
        self.end_headers()
        self.wfile.write(b'{"outputs": []}')

    def log_message(self, format: str, *args: object) -> None: ...


class Fleet:
    """What `queue` asks of a cluster."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def status(self) -> dict[str, dict[str, int]]:
        return {"replicas": {"RUNNING": 3}}


@pytest.fixture
def fleet(listen: Listen) -> Fleet:
    return Fleet(listen(_Handler).server_port)


def test_the_trial_counts_and_times_its_requests(fleet: Fleet, tmp_path: Path) -> None:
    spec = replace(RaySpec.of(Settings(), light_folder(at=tmp_path / "light")), min_replicas=3)
    found = queue.queue(fleet, spec, rate=20, seconds=2)  # type: ignore[arg-type]
    assert (found.requests, found.failed, found.replicas) == (40, 0, 3)
    assert 0.1 <= found.service_s <= found.ideal_p50_s <= found.ideal_p90_s
    assert found.p50_s <= found.p90_s
    assert found.p90_s >= 0.1


def test_few_requests_leave_much_to_chance() -> None:
    low, high = QUEUED.chance_s
    assert low < QUEUED.predicted.p90_s < high
    more_low, more_high = replace(QUEUED, requests=2000).chance_s
    assert more_high - more_low < (high - low) / 2


def test_serves_own_pauses_cost_more_than_the_load_leaves(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As measured live with 12 users: 9.1 answers a second by default, 12.6 with `max_backoff_s` 0.05, of 15."""
    monkeypatch.syspath_prepend(root / "tests" / "benchmarks")
    import routing

    default, ours = routing.Routing(), routing.VARIANTS["max_backoff_s 0.05"]
    assert routing.closed(default, 12) < 10 < 12.5 < routing.closed(ours, 12) < 15
    assert routing.closed(default, 3) == pytest.approx(routing.closed(ours, 3), rel=0.02)
    arrived = arrivals(10, 4000, seed=1)
    late = {one: sorted(routing.Router(3, 0.2, one).run(arrived))[int(0.9 * len(arrived))] for one in (default, ours)}
    ideal = sorted(answer_ideally(arrived, 3, 0.2 + routing.HOLD_S))[int(0.9 * len(arrived))]
    assert ideal < late[ours] < 1.3 * ideal < 10 * ideal < late[default]
