"""Figures of a load: percentiles that were measured, the names of DJL's tool, CSV, the knee."""

from __future__ import annotations

import csv
import dataclasses
import random
from pathlib import Path

import numpy
import pytest

from inf2lab import measure
from inf2lab.measure.result import Times, percentile
from inf2lab.planning.curve import CurveDetails, CurvePoint

from .conftest import result_of

# The fields that awscurl prints (djl-serving, awscurl/.../Result.java; docs/lmi/deployment_guide/benchmarking...).
AWSCURL = [
    "tokenizer",
    "totalTimeMills",
    "totalRequests",
    "failedRequests",
    "errorRate",
    "concurrentClients",
    "tps",
    "tokenThroughput",
    "totalTokens",
    "tokenPerRequest",
    "averageLatency",
    "averageTokenLatency",
    "p50Latency",
    "p90Latency",
    "p99Latency",
    "timeToFirstByte",
    "p50TimeToFirstByte",
    "p90TimeToFirstByte",
    "p99TimeToFirstByte",
]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 99, 100, 101, 1000])
def test_percentiles_are_numpys_by_nearest_rank(count: int) -> None:
    rng = random.Random(count)
    values = sorted(rng.expovariate(1) for _ in range(count))
    for quantile in (0.0, 0.5, 0.9, 0.99, 1.0):
        assert percentile(values, quantile) == numpy.quantile(values, quantile, method="inverted_cdf")


def test_of_no_values_there_is_no_percentile() -> None:
    nothing = Times.of([])
    assert (nothing.count, nothing.mean, nothing.at(0.5)) == (0, None, None)


def test_the_fields_are_those_of_djls_tool() -> None:
    found = result_of([100, 200, 300, 400], clients=2, seconds=0.5).as_dict()
    assert list(found) == [*AWSCURL, "inf2lab"]
    assert found["totalTimeMills"] == 500
    assert found["tps"] == 8
    assert (found["totalTokens"], found["tokenPerRequest"], found["tokenThroughput"]) == (40, 10, 80)
    assert (found["averageLatency"], found["averageTokenLatency"]) == (250, 25)
    assert (found["p50Latency"], found["p90Latency"], found["p99Latency"]) == (200, 400, 400)
    assert found["concurrentClients"] == 2
    assert found["inf2lab"]["lane"] == "rehearsal"


def test_an_open_loop_has_a_rate_and_no_clients() -> None:
    found = result_of([100], rate=5).as_dict()
    assert found["concurrentClients"] is None
    assert (found["inf2lab"]["loop"], found["inf2lab"]["rate"]) == ("open", 5)


def test_the_file_holds_the_same(tmp_path: Path) -> None:
    result = result_of([100, 200], output_tokens=None)
    result.write_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["latency_s"] for line in lines] == ["0.100000", "0.200000"]
    assert [line["output_tokens"] for line in lines] == ["", ""]  # not counted is not zero
    assert lines[0]["first_token_s"] == ""


def test_tokens_that_one_answer_lacks_are_not_summed() -> None:
    result = result_of([100, 200])
    broken = dataclasses.replace(result.rows[0], output_tokens=None)
    assert dataclasses.replace(result, rows=(broken, result.rows[1])).output_tokens is None


def test_the_knee_is_the_fewest_clients_near_the_top() -> None:
    """A server that works on two requests at a time for 100 ms: 10, 20, 20.4 answers a second; then only waiting."""
    sweep = [
        result_of([100] * 10, clients=1, seconds=1.0),
        result_of([100] * 20, clients=2, seconds=1.0),
        result_of([196] * 40, clients=4, seconds=1.96),
        result_of([400] * 80, clients=8, seconds=4.0),
    ]
    bend = measure.knee(sweep)
    assert bend is not None
    assert (bend.clients, bend.requests_per_s) == (2, 20)
    assert bend.top_requests_per_s == pytest.approx(20.4, abs=0.05)
    assert measure.knee(sweep[::-1]) == bend


def test_an_open_loop_has_no_knee() -> None:
    assert measure.knee([result_of([100], rate=5)]) is None


def test_what_is_written_is_what_a_plan_reads() -> None:
    written = result_of([100] * 3).as_dict()
    assert set(CurvePoint.__annotations__) <= set(written)
    assert set(CurveDetails.__annotations__) <= set(written["inf2lab"])
