"""Replicas for a load: exact where theory is exact, near a simulation elsewhere, and honest where nothing helps."""

from __future__ import annotations

import heapq
import json
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from inf2lab.cli import app
from inf2lab.errors import SettingsError
from inf2lab.planning import (
    Pace,
    capacity,
    capacity_rows,
    erlang_c,
    measured_pace,
    planned_pace,
    predict,
    read_seconds,
    replicas_for,
)

if TYPE_CHECKING:
    from conftest import PlanOf

SHORT = {"input_tokens": 64, "output_tokens": 64, "batch_size": 1}


def pace(servers: int = 1, seconds: float = 1.0, variation: float = 0.0) -> Pace:
    return Pace(servers, seconds, seconds, variation, "test")


def simulated(rate: float, servers: int, *, exponential: bool, requests: int = 100_000) -> list[float]:
    """Waiting times of a queue before `servers`, each of which takes a second on average; the first tenth left out."""
    rng = random.Random(7)
    free, now, waits = [0.0] * servers, 0.0, []
    for _ in range(requests):
        now += rng.expovariate(rate)
        start = max(now, heapq.heappop(free))
        waits.append(start - now)
        heapq.heappush(free, start + (rng.expovariate(1.0) if exponential else 1.0))
    return sorted(waits[requests // 10 :])


# One server: C is its use. Two servers at load 1: 1/3. (Erlang, 1917; any table of them.)
@pytest.mark.parametrize(
    ("servers", "load", "share"), [(1, 0.5, 0.5), (1, 0.9, 0.9), (2, 1.0, 1 / 3), (10, 5.0, 0.0361), (3, 3.0, 1.0)]
)  # fmt: skip
def test_erlangs_share(servers: int, load: float, share: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(share, abs=5e-5)


@pytest.mark.parametrize(("rate", "replicas"), [(0.7, 1), (3.2, 4), (5.6, 7)])
@pytest.mark.parametrize("exponential", [True, False], ids=["M/M/c", "M/D/c"])
def test_waiting_agrees_with_a_simulation(rate: float, replicas: int, exponential: bool) -> None:
    waits = simulated(rate, replicas, exponential=exponential)
    found = predict(rate, replicas, pace(variation=float(exponential)))
    assert found.wait_mean_s == pytest.approx(sum(waits) / len(waits), rel=0.15)
    p99 = waits[math.ceil(0.99 * len(waits)) - 1]
    assert found.p99_s - 1 == pytest.approx(p99, rel=0.15)
    assert found.waiting_share == pytest.approx(sum(wait > 0 for wait in waits) / len(waits), abs=0.08)


def test_a_queue_for_each_replica_is_slower_than_one_for_all() -> None:
    found = predict(6.0, 8, pace())
    assert found.p99_apart_s > found.p99_s
    alone = predict(0.75, 1, pace())
    assert found.p99_apart_s == alone.p99_s


def test_the_fewest_replicas_that_keep_the_time() -> None:
    for rate in (0.3, 5.0, 50.0, 333.0):
        found = replicas_for(rate, 2.0, pace(seconds=0.9))
        assert found is not None
        assert predict(rate, found, pace(seconds=0.9)).p99_s <= 2.0
        if found > 1:
            assert predict(rate, found - 1, pace(seconds=0.9)).p99_s > 2.0


def test_no_number_of_replicas_makes_one_answer_quicker() -> None:
    assert replicas_for(1.0, 0.5, pace(seconds=0.9)) is None


def test_an_absurd_rate_is_asked_about() -> None:
    with pytest.raises(SettingsError, match="per second"):
        replicas_for(1e6, 2.0, pace())


def test_full_use_never_ends() -> None:
    assert predict(2.0, 2, pace()).p99_s == math.inf


def test_the_decode_models_pace_is_that_of_the_plans_throughput(plan_of: PlanOf) -> None:
    plan = plan_of("opt-13b", **SHORT)
    found, rate = planned_pace(plan), plan.service.tokens_per_s
    assert rate is not None
    assert found.requests_per_s * 64 * len(plan.copies) == pytest.approx(rate.mid, rel=1e-9)
    assert planned_pace(plan, slow=True).seconds > found.seconds


def test_replicas_become_whole_instances_and_a_price(plan_of: PlanOf) -> None:
    plan = plan_of("opt-13b", **SHORT)
    found = capacity(plan, rate=50, p99_s=10)
    assert found.replicas is not None
    assert found.replicas > 50 * found.pace.seconds
    assert found.careful is None or found.careful >= found.replicas
    assert found.instances == math.ceil(found.replicas / 12)
    assert found.usd_per_hour == pytest.approx(found.instances * 12.981)
    assert any("Poisson" in text for text in found.assumptions)
    assert any("64" in text for text in found.assumptions)


def test_where_nothing_helps_it_says_so(plan_of: PlanOf) -> None:
    found = capacity(plan_of("opt-13b", **SHORT), rate=50, p99_s=0.001)
    assert (found.replicas, found.instances, found.usd_per_hour) == (None, None, None)
    assert any("no number is enough" in text for _, text in capacity_rows(found))


def point(clients: int, tps: float, ms: float, p99: float) -> dict[str, Any]:
    return {"concurrentClients": clients, "tps": tps, "averageLatency": ms, "p99Latency": p99}


CURVE = [point(1, 2.0, 500, 500), point(2, 4.0, 500, 510), point(4, 8.0, 500, 520), point(8, 8.0, 1000, 1100)]


def test_a_measured_curve_gives_servers_and_their_time() -> None:
    found = measured_pace(CURVE)
    assert (found.servers, found.seconds, found.variation) == (4, 0.5, 0.0)
    assert found.requests_per_s == 8.0
    assert "1 to 8 clients" in found.basis


def test_slow_answers_of_the_curve_count() -> None:
    found = measured_pace([point(1, 2.0, 500, 1665), point(4, 2.0, 2000, 2500)])
    assert found.variation == pytest.approx(1.0)
    assert found.slow_s == 1.665


def test_the_curve_replaces_the_decode_model(plan_of: PlanOf) -> None:
    found = capacity(plan_of("opt-13b", **SHORT), rate=20, p99_s=2, curve=CURVE)
    assert found.replicas == replicas_for(20, 2, measured_pace(CURVE)) == 3
    assert found.careful == 3


@pytest.mark.parametrize("curve", [[{}], [{"concurrentClients": None, "tps": 1.0}], [3]])
def test_a_file_that_is_no_sweep_is_refused(curve: list[Any]) -> None:
    with pytest.raises(SettingsError, match="no closed-loop sweep"):
        measured_pace(curve)


@pytest.mark.parametrize(("text", "seconds"), [("2s", 2), ("500ms", 0.5), ("2", 2), ("0.25 s", 0.25)])
def test_times_as_people_write_them(text: str, seconds: float) -> None:
    assert read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "fast", "0s", "-1s", "2m"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError, match="as in 2s"):
        read_seconds(text)


def run(*words: str) -> Any:
    return CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"}).invoke(app, ["plan", *words])


def test_the_command(tmp_path: Path) -> None:
    load = ["--input", "64", "--output", "64", "--rate", "50", "--p99", "10s"]
    shown = run(*load)
    assert shown.exit_code == 0, shown.output
    assert "requests/s, p99 at most 10 s" in shown.output
    assert "assumes" in shown.output
    found = json.loads(run(*load, "--json").stdout)["scale"]
    assert found["instances"] >= 1
    curve = tmp_path / "curve.json"
    curve.write_text(json.dumps(CURVE))
    assert (
        json.loads(run("--rate", "20", "--p99", "2s", "--curve", str(curve), "--json").stdout)["scale"][
            "replicas"
        ]
        == 3
    )
    assert run(*load[:-1], "1ms", "--check").exit_code == 1
    assert run(*load[:-1], "soon").exit_code == 2
    assert run("--rate", "0").exit_code == 2
    assert run("--rate", "5", "--curve", str(tmp_path / "none.json")).exit_code == 2
