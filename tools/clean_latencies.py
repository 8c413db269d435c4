"""Clean the published latencies and write them into the catalog, where inf2lab only reads them.

    python tools/clean_latencies.py            # from tools/latencies_as_printed.json, which keeps what was printed
    python tools/clean_latencies.py --check    # exit code 1 if the catalog holds something else

Rows are merged where one measurement stands twice, and mended or marked where one is faulty:
- a batch size that tokens a second x seconds a token contradicts: another label of the row, else the next power of two;
- a length whose KV cache is larger than the whole instance, or that came with a wrong label: it is dropped;
- time "per token" that counts prompt tokens too (a release says so): scaled to output tokens;
- P50 above P99, or tokens a second that do not follow from P50: marked, and kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from inf2lab import catalog
from inf2lab.catalog.facts import THROUGHPUT_DIFFERS, Latency
from inf2lab.files import write_file
from neuron_rules import GENERATIONS, GIB, bytes_per_core

PRINTED = Path(__file__).with_name("latencies_as_printed.json")
TARGET = Path(catalog.__file__).parent / "latencies.json"

BATCH_CONTRADICTED = "batch size contradicted by the throughput"
LENGTH_DOUBTFUL = "n_positions impossible, or printed with a wrong batch size"
PROMPT_COUNTED = "time per token counted the prompt's tokens"
P50_ABOVE_P99 = "P50 above P99"

# Batch rows of OPT imply 0.71 to 0.84 of their size; wrong labels imply 2.8 of it and more, or 38 times.
_PLAUSIBLE_BATCH = (0.6, 1.3)
_PLAUSIBLE_THROUGHPUT = (0.85, 1.15)


def clean(printed: Mapping[str, Any]) -> list[Latency]:
    """Return every distinct measurement of the printed rows, in their order."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for values in printed["rows"]:
        row = dict(zip(printed["columns"], values, strict=True))
        groups.setdefault(_measurement(row), []).append(row)
    return [mend(rows, printed["releases"]) for rows in groups.values()]


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
    room_gib = catalog.instance(row["instance"]).device_gib
    if n_positions and (relabelled or _cache_gib(row["model"], batch_size, n_positions) > room_gib):
        n_positions = None
        faults.append(LENGTH_DOUBTFUL)
    return Latency(
        model_id=catalog.find_model(row["model"]).dims.name,
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


def _measurement(row: Mapping[str, Any]) -> tuple[Any, ...]:
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
    """The KV cache of the whole model: that of one core which holds all of it."""
    whole = bytes_per_core(
        catalog.find_model(model).dims,
        generation=next(iter(GENERATIONS.values())),
        degree=1,
        batch_size=batch_size,
        n_positions=n_positions,
        dtype="f16",
    )
    return whole.kv_cache / GIB


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


def as_json(printed: Mapping[str, Any]) -> str:
    """Return the catalog's file, a measurement a line."""
    columns = [field.name for field in fields(Latency)]
    rows = [json.dumps([getattr(row, name) for name in columns], ensure_ascii=False) for row in clean(printed)]
    source = f"{printed['source']}; cleaned by tools/{Path(__file__).name}, which names the faults"
    head = json.dumps({"source": source, "checked": printed["checked"], "columns": columns}, ensure_ascii=False)
    return head[:-1] + ',\n "rows": [\n  ' + ",\n  ".join(rows) + "\n]}\n"


def main() -> int:
    """Clean, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the catalog instead of writing it")
    check = parser.parse_args().check
    text = as_json(json.loads(PRINTED.read_text()))
    if not check:
        write_file(TARGET, text)
        return 0
    same = TARGET.read_text() == text
    print("the catalog holds these rows" if same else f"{TARGET.name} differs: run this without --check")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
