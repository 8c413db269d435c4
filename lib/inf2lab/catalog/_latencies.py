"""Published latencies: rows merged where one measurement stands twice, and mended or marked where one is faulty.

The faults, and how each is found:
- a batch size that tokens a second x seconds a token contradicts: another label of the row, else the next power of two;
- a length whose KV cache is larger than the whole instance, or that came with a wrong label: it is dropped;
- time "per token" that counts prompt tokens too (a release says so): scaled to output tokens;
- P50 above P99, or tokens a second that do not follow from P50: marked, and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from inf2lab.catalog._access import read_file
from inf2lab.catalog._instances import instance
from inf2lab.catalog._models import find_model
from neuron_rules import GIB

BATCH_CONTRADICTED = "batch size contradicted by the throughput"
LENGTH_DOUBTFUL = "n_positions impossible, or printed with a wrong batch size"
PROMPT_COUNTED = "time per token counted the prompt's tokens"
P50_ABOVE_P99 = "P50 above P99"
THROUGHPUT_DIFFERS = "tokens a second do not follow from P50"

# Batch rows of OPT imply 0.71 to 0.84 of their size; wrong labels imply 2.8 of it and more, or 38 times.
_PLAUSIBLE_BATCH = (0.6, 1.3)
_PLAUSIBLE_THROUGHPUT = (0.85, 1.15)


@dataclass(frozen=True)
class Latency:
    """One measurement: milliseconds for each output token of a sequence (P50, P99), tokens a second of the batch."""

    model_id: str
    instance: str
    release: str
    date: str
    degree: int | None
    batch_size: int
    n_positions: int | None
    input_tokens: int | None
    output_tokens: int | None
    tokens_per_s: float
    ttft_p50_ms: float | None
    ttft_p99_ms: float | None
    token_p50_ms: float
    token_p99_ms: float
    weights: str | None
    faults: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """Whether labels and time a token stand as they were printed, so that the row may answer for itself."""
        return set(self.faults) <= {THROUGHPUT_DIFFERS}


@cache
def latencies() -> tuple[Latency, ...]:
    """Return every distinct measurement, oldest release first."""
    data = read_file("latencies")
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for values in data["rows"]:
        row = dict(zip(data["columns"], values, strict=True))
        groups.setdefault(_measurement(row), []).append(row)
    return tuple(mend(rows, data["releases"]) for rows in groups.values())


def mend(rows: list[dict[str, Any]], releases: Mapping[str, Mapping[str, str]]) -> Latency:
    """Return the one measurement that `rows` print, with its faults found and mended."""
    row = rows[-1]  # the newest print of it
    faults: list[str] = []
    scale = 1.0
    if releases[row["release"]]["token_time"] == "prompt and output":
        scale = (row["input_tokens"] + row["output_tokens"]) / row["output_tokens"]
        faults.append(PROMPT_COUNTED)
    batch_size = row["batch_size"]
    in_flight = row["tokens_per_s"] * row["token_p50_ms"] / 1000  # rows that were generated at once
    labels = [r["batch_size"] for r in rows]
    if not all(_within(in_flight / label, _PLAUSIBLE_BATCH) for label in labels):
        batch_size = _plausible(labels, in_flight)
        faults.append(BATCH_CONTRADICTED)
    elif row["ttft_p50_ms"] is not None and not _within(_throughput(row, batch_size), _PLAUSIBLE_THROUGHPUT):
        faults.append(THROUGHPUT_DIFFERS)
    if row["token_p50_ms"] > row["token_p99_ms"]:
        faults.append(P50_ABOVE_P99)
    n_positions = row["n_positions"]
    relabelled = len(set(labels)) > 1 and labels[-1] != batch_size
    room_gib = instance(row["instance"]).device_gib
    if n_positions and (relabelled or _cache_gib(row["model"], batch_size, n_positions) > room_gib):
        n_positions = None
        faults.append(LENGTH_DOUBTFUL)
    return Latency(
        model_id=find_model(row["model"]).dims.name,
        instance=row["instance"],
        release=row["release"],
        date=releases[row["release"]]["date"],
        degree=row["degree"],
        batch_size=batch_size,
        n_positions=n_positions,
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        tokens_per_s=row["tokens_per_s"],
        ttft_p50_ms=row["ttft_p50_ms"],
        ttft_p99_ms=row["ttft_p99_ms"],
        token_p50_ms=row["token_p50_ms"] * scale,
        token_p99_ms=row["token_p99_ms"] * scale,
        weights=row["weights"],
        faults=tuple(faults),
        sources=tuple(dict.fromkeys(f"{r['tag']}:{r['file']}" for r in rows)),
    )


def _measurement(row: Mapping[str, Any]) -> tuple:
    """What identifies a measurement; batch size and length are labels, which differ between prints of one row."""
    keys = ("model", "instance", "release", "input_tokens", "output_tokens", "tokens_per_s")
    return (*(row[key] for key in keys), row["token_p50_ms"], row["token_p99_ms"])


def _plausible(labels: Iterable[int], in_flight: float) -> int:
    for label in labels:
        if _within(in_flight / label, _PLAUSIBLE_BATCH):
            return label
    return 1 << (max(1, round(in_flight)) - 1).bit_length()


def _throughput(row: Mapping[str, Any], batch_size: int) -> float:
    """Printed tokens a second over those that prompt time and P50 make."""
    whole_ms = row["ttft_p50_ms"] + row["output_tokens"] * row["token_p50_ms"]
    return row["tokens_per_s"] / (batch_size * row["output_tokens"] * 1000 / whole_ms)


def _cache_gib(model: str, batch_size: int, n_positions: int) -> float:
    dims = find_model(model).dims
    return 4 * dims.layers * dims.kv_heads * dims.head_dim * batch_size * n_positions / GIB  # K and V, 2 bytes each


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
