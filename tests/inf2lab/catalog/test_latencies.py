"""The published latencies: rows merged, faults found by their rules, values as they were printed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

import clean_latencies
from inf2lab import catalog
from inf2lab.catalog.facts import THROUGHPUT_DIFFERS

PRINTED = json.loads(clean_latencies.PRINTED.read_text())
RELEASES = {
    "2.18.0": {"date": "2024-04-01", "token_time": "output"},
    "2.16.0": {"date": "2023-12-21", "token_time": "prompt and output"},
}


def rows(**wanted: Any) -> list[catalog.Latency]:
    return [row for row in catalog.latencies() if all(getattr(row, key) == value for key, value in wanted.items())]


def printed(**changes: Any) -> dict[str, Any]:
    """A row as a release prints it: Llama-2-13b at degree 24, without a fault unless `changes` make one."""
    row = {
        "model": "Llama-2-13b",
        "instance": "inf2.48xlarge",
        "application": "Real Time",
        "release": "2.18.0",
        "degree": 24,
        "batch_size": 1,
        "n_positions": 4096,
        "input_tokens": 128,
        "output_tokens": 3968,
        "tokens_per_s": 112.5,
        "ttft_p50_ms": 26.0,
        "ttft_p99_ms": 27.0,
        "token_p50_ms": 9.17,
        "token_p99_ms": 9.33,
        "dtype": "FP16",
        "matmult": "Matmult-BF16",
        "weights": "bf16",
        "tag": "v2.18.2",
        "file": "decoder.csv",
    }
    return row | changes


def test_every_row_that_was_printed_is_kept_and_repeated_ones_are_merged() -> None:
    assert len(PRINTED["rows"]) == 81
    assert sum(Counter(row.release for row in catalog.latencies()).values()) == 62
    assert Counter(row.release for row in catalog.latencies())["2.18.0"] == 28


def test_the_catalog_holds_what_the_tool_makes_of_the_printed_rows() -> None:
    assert clean_latencies.TARGET.read_text() == clean_latencies.as_json(PRINTED)


def test_each_row_has_a_source_and_a_date() -> None:
    for row in catalog.latencies():
        assert all(source.startswith("v2.") and source.endswith(".csv") for source in row.sources)
        assert row.date == PRINTED["releases"][row.release]["date"]


def test_a_row_in_two_files_is_one_measurement_with_two_sources() -> None:
    (row,) = rows(model_id="meta-llama/Llama-2-70b-hf", release="2.18.0", n_positions=256)
    assert [source.rpartition("/")[2] for source in row.sources] == [
        "latency_data_decoder.csv",
        "throughput_data_decoder.csv",
    ]


@pytest.mark.parametrize(
    ("model", "batch"), [("facebook/opt-13b", 256), ("facebook/opt-30b", 64), ("facebook/opt-66b", 256)]
)
def test_the_relabelled_batches_of_2_9_are_what_the_throughput_says(model: str, batch: int) -> None:
    (row,) = [row for row in rows(model_id=model, release="2.9.0") if row.batch_size > 1]
    assert (row.batch_size, row.n_positions) == (batch, None)
    assert clean_latencies.BATCH_CONTRADICTED in row.faults
    assert clean_latencies.LENGTH_DOUBTFUL in row.faults


def test_the_mislabelled_batch_of_2_10_is_256() -> None:
    (row,) = [row for row in rows(model_id="facebook/opt-66b", release="2.10.0") if row.batch_size > 1]
    assert (row.batch_size, row.n_positions, row.faults) == (256, 128, (clean_latencies.BATCH_CONTRADICTED,))


@pytest.mark.parametrize(
    ("release", "n_positions", "answer", "ms"),
    [("2.17.0", 4096, 3968, 8.94), ("2.16.0", 2048, 1024, 10.2), ("2.16.0", 4096, 128, 13.44)],
)
def test_time_over_prompt_and_output_becomes_time_per_output_token(
    release: str, n_positions: int, answer: int, ms: float
) -> None:
    (row,) = rows(model_id="meta-llama/Llama-2-13b-hf", release=release, n_positions=n_positions, output_tokens=answer)
    assert row.token_p50_ms == pytest.approx(ms, abs=0.01)
    assert row.faults == (clean_latencies.PROMPT_COUNTED,)
    assert not row.trusted


def test_rows_without_a_fault_are_those_that_were_printed() -> None:
    (row,) = rows(model_id="facebook/opt-13b", release="2.13.0", batch_size=1)
    assert (row.degree, row.n_positions, row.token_p50_ms, row.token_p99_ms, row.faults) == (8, 2048, 19.8, 23, ())


def test_a_throughput_that_does_not_follow_from_p50_is_marked_and_kept() -> None:
    (row,) = rows(model_id="mistralai/Mistral-7B-Instruct-v0.2", batch_size=1, n_positions=8192)
    assert row.faults == (THROUGHPUT_DIFFERS,)
    assert row.trusted
    assert row.token_p50_ms == pytest.approx(7.866, abs=0.001)


def test_no_row_of_2_18_but_the_known_two_has_a_fault() -> None:
    marked = {(row.model_id, row.batch_size) for row in rows(release="2.18.0") if row.faults}
    assert marked == {("mistralai/Mistral-7B-Instruct-v0.2", 1), ("meta-llama/Llama-2-7b-hf", 8)}


def test_a_row_without_a_fault_stays_as_it_is() -> None:
    row = clean_latencies.mend([printed()], RELEASES)
    assert (row.batch_size, row.n_positions, row.token_p50_ms, row.faults) == (1, 4096, 9.17, ())


def test_p50_above_p99_is_marked() -> None:
    assert clean_latencies.mend([printed(token_p99_ms=9.0)], RELEASES).faults == (clean_latencies.P50_ABOVE_P99,)


def test_a_length_beyond_the_instances_memory_is_dropped() -> None:
    row = clean_latencies.mend([printed(batch_size=256, tokens_per_s=256 * 108.0, n_positions=2048)], RELEASES)
    assert row.n_positions is None
    assert clean_latencies.LENGTH_DOUBTFUL in row.faults


def test_a_batch_that_no_label_explains_becomes_the_next_power_of_two() -> None:
    row = clean_latencies.mend(
        [printed(batch_size=64, tokens_per_s=1400.0, token_p50_ms=156.0, token_p99_ms=849.0)], RELEASES
    )
    assert row.batch_size == 256
