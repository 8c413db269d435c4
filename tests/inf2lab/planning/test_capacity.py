"""Replicas for a load: exact where theory is exact, near a simulation elsewhere, and honest where nothing helps."""

from __future__ import annotations

import heapq
import json
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some
from typer.testing import CliRunner

from inf2lab.cli import app
from inf2lab.errors import SettingsError
from inf2lab.planning import (
    Pace,
    answer_ideally,
    arrivals,
    capacity,
    capacity_rows,
    planned_pace,
    predict,
    read_seconds,
)
from inf2lab.planning.fleet import fleet_for
from inf2lab.planning.queue import erlang_c, measured_pace, replicas_for

if TYPE_CHECKING:
    from conftest import PlanOf

SHORT = {"input_tokens": 64, "output_tokens": 64, "batch_size": 1}


def pace(servers: int = 1, seconds: float = 1.0, variation: float = 0.0, *, gathers: bool = False) -> Pace:
    return Pace(servers, seconds, seconds, variation, "test", gathers)


def simulated(rate: float, servers: int, *, exponential: bool, requests: int = 100_000) -> list[float]:
    """Waiting times of a queue before `servers`, each of which takes a second on average; the first tenth left out."""
    rng = random.Random(7)
    free, waits = [0.0] * servers, []
    for now in arrivals(rate, requests, seed=8):  # drawn apart from the work
        start = max(now, heapq.heappop(free))
        waits.append(start - now)
        heapq.heappush(free, start + (rng.expovariate(1.0) if exponential else 1.0))
    return sorted(waits[requests // 10 :])


def gathered(rate: float, places: int, requests: int = 100_000) -> list[float]:
    """Waiting times before one server that takes a second for all that have come when it begins, `places` at most."""
    waiting = list(reversed(arrivals(rate, requests, seed=7)))
    now, waits = 0.0, []
    while waiting:
        now = max(now, waiting[-1])
        batch = [waiting.pop() for _ in range(places) if waiting and waiting[-1] <= now]
        waits += [now - at for at in batch]
        now += 1
    return sorted(waits[requests // 10 :])


# One server: C is its use. Two servers at load 1: 1/3. (Erlang, 1917; any table of them.)
@pytest.mark.parametrize(
    ("servers", "load", "share"), [(1, 0.5, 0.5), (1, 0.9, 0.9), (2, 1.0, 1 / 3), (10, 5.0, 0.0361), (3, 3.0, 1.0)]
)
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


@pytest.mark.parametrize(("rate", "places"), [(0.5, 4), (1.5, 4), (2.5, 4), (5.0, 8)])
def test_waiting_for_a_batch_agrees_with_a_simulation(rate: float, places: int) -> None:
    waits = gathered(rate, places)
    found = predict(rate, 1, pace(servers=places, gathers=True))
    assert found.p50_s == pytest.approx(1 + waits[len(waits) // 2], rel=0.1)
    p99 = waits[math.ceil(0.99 * len(waits)) - 1]
    assert p99 - 0.02 <= found.p99_s - 1 <= p99 + 0.8  # two tails added: on the safe side


def test_the_ideal_queue_of_given_arrivals() -> None:
    assert answer_ideally([0.0, 0.0, 0.0, 5.0], 2, 1.0) == [1.0, 1.0, 2.0, 1.0]
    took = sorted(answer_ideally(arrivals(3.2, 50_000, seed=1), 4, 1.0))
    assert took[len(took) // 2] == pytest.approx(predict(3.2, 4, pace()).p50_s, rel=0.05)
    assert took[int(0.9 * len(took))] == pytest.approx(predict(3.2, 4, pace()).p90_s, rel=0.05)


paces = some.builds(
    Pace,
    servers=some.integers(1, 8),
    seconds=some.floats(0.05, 5),
    slow_s=some.floats(5, 10),
    variation=some.floats(0, 2),
    basis=some.just("drawn"),
    gathers=some.booleans(),
)
rates, times = some.floats(0.01, 20), some.floats(11, 60)


@given(paces, rates, some.floats(1.01, 3), some.integers(1, 40))
def test_more_load_is_slower_and_more_replicas_are_not(one: Pace, rate: float, more: float, replicas: int) -> None:
    now = predict(rate, replicas, one)
    assume(now.use < 0.999)
    hair = 1e-9
    for name in ("p50_s", "p90_s", "p99_s", "wait_mean_s"):
        assert getattr(predict(more * rate, replicas, one), name) >= getattr(now, name) - hair
        assert getattr(predict(rate, replicas + 1, one), name) <= getattr(now, name) + hair
    assert now.p50_s <= now.p90_s <= now.p99_s


@given(paces, rates, times, some.floats(1.0, 3), some.floats(0.3, 1), some.integers(0, 5))
def test_more_load_a_shorter_time_and_more_care_never_take_fewer_replicas(
    one: Pace, rate: float, p99_s: float, more: float, use: float, spare: int
) -> None:
    def takes(rate: float, p99_s: float, use: float, spare: int) -> int:
        fleet = fleet_for(rate, p99_s, one, use=use, spare=spare)
        assert fleet is not None
        return fleet.replicas

    now = takes(rate, p99_s, use, spare)
    assert takes(more * rate, p99_s, use, spare) >= now
    assert takes(rate, max(10.5, p99_s / more), use, spare) >= now
    assert takes(rate, p99_s, use / more, spare) >= now
    assert takes(rate, p99_s, use, spare + 1) in (now, now + 1)
    assert predict(rate, now, one).use <= use + 1e-6
    if now - spare:
        assert predict(rate, now - spare, one).p99_s <= p99_s


@pytest.mark.parametrize(
    ("rate", "spare", "replicas", "rule"),
    [
        (50, 1, 63, "use"),  # 50 requests of 1 s: 62.5 at 80 %
        (8, 1, 11, "spare"),
        (8, 0, 10, "p99"),
        (0.1, 1, 2, "spare"),
        (0.1, 0, 1, "p99"),
    ],
)
def test_head_room_and_the_spare_replica_decide(rate: float, spare: int, replicas: int, rule: str) -> None:
    fleet = fleet_for(rate, 3.0, pace(), use=0.8, spare=spare)
    assert fleet is not None
    assert (fleet.replicas, fleet.decided_by) == (replicas, rule)


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


@pytest.mark.parametrize("rate", [10_000.0, 1e12, 1e308])
def test_a_rate_beyond_all_replicas_is_refused_before_anything_is_predicted(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inf2lab.planning.queue.predict", None)
    with pytest.raises(SettingsError, match="per second"):
        replicas_for(rate, 2.0, pace())


def test_the_most_replicas_are_still_an_answer() -> None:
    found = replicas_for(9_990.0, 1.5, pace())
    assert found is not None
    assert predict(9_990.0, found, pace()).p99_s <= 1.5 < predict(9_990.0, found - 1, pace()).p99_s
    with pytest.raises(SettingsError, match="per second"):
        replicas_for(9_999.5, 1.0001, pace())


def test_a_use_that_takes_a_fleet_of_fleets_is_asked_about() -> None:
    with pytest.raises(SettingsError, match=r"use=1e-09: .*share of 1"):
        fleet_for(1.0, 3.0, pace(), use=1e-9, spare=0)


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
    assert found.careful is None or found.careful.replicas >= found.replicas
    assert found.prediction is not None
    assert found.prediction.use <= 0.8
    assert found.instances == math.ceil(found.replicas / 12)
    assert found.usd_per_hour == pytest.approx(found.instances * 12.981)
    assert any("Poisson" in text for text in found.assumptions)
    assert any("64" in text for text in found.assumptions)


def test_where_nothing_helps_it_says_so(plan_of: PlanOf) -> None:
    found = capacity(plan_of("opt-13b", **SHORT), rate=50, p99_s=0.001)
    assert (found.replicas, found.instances, found.usd_per_hour) == (None, None, None)
    assert any("no number is enough" in text for _, text in capacity_rows(found))


def point(clients: int, tps: float, ms: float, p90: float, **more: Any) -> dict[str, Any]:
    return {
        "concurrentClients": clients,
        "totalRequests": 50,
        "failedRequests": 0,
        "tps": tps,
        "averageLatency": ms,
        "p50Latency": ms,
        "p90Latency": p90,
        "p99Latency": 5 * p90,
    } | more


CURVE = [point(1, 2.0, 500, 500), point(2, 4.0, 500, 510), point(4, 8.0, 500, 520), point(8, 8.0, 1000, 1100)]


def test_a_measured_curve_gives_servers_and_their_time() -> None:
    found = measured_pace(list(reversed(CURVE)))
    assert (found.servers, found.seconds, found.variation, found.gathers) == (4, 0.5, 0.0, False)
    assert found.requests_per_s == 8.0
    assert found.basis == "measured with 1 to 8 clients"


def test_a_curve_that_has_not_bent_says_so() -> None:
    assert measured_pace(CURVE[:3]).basis == "measured with 1 to 4 clients; more of them may show more"
    assert "may show more" not in measured_pace(CURVE).basis


@pytest.mark.parametrize(("lane", "said"), [("rehearsal", True), ("inf2", False), ("other", False)])
def test_a_rehearsals_curve_is_not_taken_for_the_chips(lane: str, said: bool) -> None:
    curve = [row | {"inf2lab": {"lane": lane}} for row in CURVE]
    assert ("not the chip's" in measured_pace(curve).basis) == said


def test_a_p99_of_few_requests_is_not_believed() -> None:
    few = measured_pace([point(1, 2.0, 500, 628), point(4, 2.0, 2000, 2500)])
    assert few.variation == pytest.approx(0.04)
    assert few.slow_s == pytest.approx(0.733)
    many = measured_pace([point(1, 2.0, 500, 628, totalRequests=1000, p99Latency=1665)])
    assert (many.variation, many.slow_s) == (pytest.approx(1.0), pytest.approx(1.665))


def test_a_server_that_gathers_is_known_by_the_sweep() -> None:
    """Alone it waits for company, so that Little's law would see more places than there are."""
    curve = [point(clients, tps, ms, ms, inf2lab={"gathers": 4}) for clients, tps, ms in ((1, 3.3, 300), (8, 20, 400))]
    found = measured_pace(curve)
    assert (found.servers, found.seconds, found.slow_s, found.gathers) == (4, 0.2, 0.3, True)
    assert predict(1.0, 1, found).p50_s < predict(1.0, 1, found).p90_s


def test_a_sweep_with_failures_is_refused() -> None:
    with pytest.raises(SettingsError, match="counts 3 failed"):
        measured_pace([*CURVE, point(16, 8.0, 1000, 1000, failedRequests=3)])


def test_the_curve_replaces_the_decode_model(plan_of: PlanOf) -> None:
    found = capacity(plan_of("opt-13b", **SHORT), rate=20, p99_s=2, curve=CURVE)
    assert found.fleet is not None
    assert found.fleet.p99 == replicas_for(20, 2, measured_pace(CURVE)) == 3
    assert (found.replicas, found.fleet.decided_by) == (4, "spare")
    assert found.careful == found.fleet
    assert ("replicas", "4 at 62% use") in capacity_rows(found)


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
        json.loads(run("--rate", "20", "--p99", "2s", "--curve", str(curve), "--json").stdout)["scale"]["replicas"] == 4
    )
    alone = run("--rate", "20", "--p99", "2s", "--curve", str(curve), "--spare", "0", "--use", "1")
    assert "the p99 alone (3); the other rules: head-room, at most 100% use (3)" in alone.output
    assert "head-room, at most 80% use" in shown.output
    assert run("--rate", "5", "--use", "80").exit_code == 2
    assert run("--rate", "5", "--spare", "-1").exit_code == 2
    assert run(*load[:-1], "1ms", "--check").exit_code == 1
    assert run(*load[:-1], "soon").exit_code == 2
    assert run("--rate", "0").exit_code == 2
    assert run("--rate", "5", "--curve", str(tmp_path / "none.json")).exit_code == 2


def test_a_measured_plan_says_how_sure_it_is(plan_of: PlanOf) -> None:
    """Two points of a few requests gave a number of servers as if it were certain."""
    few = [{**point, "totalRequests": 12} for point in CURVE]
    many = [{**point, "totalRequests": 5000} for point in CURVE]
    assert "more requests make it surer (`inf2lab load -n 100`)" in measured_pace(few).sure
    assert " at once" in measured_pace(few).sure, "the number of places is a range"
    assert "surer" not in measured_pace(many).sure
    found = capacity(plan_of(), rate=5, p99_s=60, curve=few)
    assert dict(capacity_rows(found))["how sure"] == found.pace.sure == found.as_dict()["pace"]["sure"]
    assert "how sure" not in dict(capacity_rows(capacity(plan_of(), rate=5, p99_s=60)))
