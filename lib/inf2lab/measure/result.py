"""What a load showed: latencies, throughput, errors by code, tokens; as JSON in the names of DJL's tool, and as CSV.

That tool is awscurl (djl-serving/awscurl). Three things differ from it, on purpose: `tps` and `tokenThroughput` are
per second of the clock, not derived from latencies; a percentile is an exact sample (nearest rank); and what was not
streamed has no time to a first byte.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from inf2lab.measure.load import Load
from inf2lab.measure.rows import Row
from inf2lab.measure.stats import Times
from inf2lab.measure.target import Target

QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Result:
    """A load and what it showed; `seconds` is the clock's time from its start to the last answer."""

    target: Target
    load: Load
    rows: tuple[Row, ...]
    seconds: float
    fingerprint: str

    @cached_property
    def good(self) -> tuple[Row, ...]:
        """The requests that were answered with 200."""
        return tuple(row for row in self.rows if row.ok)

    @cached_property
    def latency(self) -> Times:
        """Latencies of the good requests."""
        return Times.of(row.latency_s for row in self.good)

    @cached_property
    def first_token(self) -> Times:
        """Times to the first piece of streamed answers; empty where nothing was streamed."""
        return Times.of(row.first_s for row in self.good if row.first_s is not None)

    @cached_property
    def between_tokens(self) -> Times:
        """Times between the pieces of streamed answers; empty where nothing was streamed."""
        return Times.of(gap for row in self.good for gap in row.gaps_s)

    @cached_property
    def late(self) -> Times:
        """How late requests were sent: the generator's own fault, or all connections were taken."""
        return Times.of(row.sent_s - row.due_s for row in self.rows)

    @property
    def errors(self) -> dict[str, int]:
        """Requests that failed, by HTTP status or kind, in order."""
        return dict(sorted(Counter(row.status for row in self.rows if not row.ok).items()))

    @property
    def requests_per_s(self) -> float:
        """Good answers a second of the clock."""
        return len(self.good) / self.seconds if self.seconds else 0.0

    @property
    def output_tokens(self) -> int | None:
        """Output tokens of all good answers; None where they were not counted."""
        counts = [row.output_tokens for row in self.good]
        return sum(counts) if counts and None not in counts else None

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens a second of the clock; None where they were not counted."""
        tokens = self.output_tokens
        return tokens / self.seconds if tokens is not None and self.seconds else None

    def as_dict(self) -> dict[str, Any]:
        """Return awscurl's fields (times in ms, rate of errors in per cent), and under `inf2lab` what it has not."""
        good, tokens, late = len(self.good), self.output_tokens, self.late
        first = self.first_token
        return {
            "tokenizer": str(self.target.tokens) if self.target.tokens else None,
            "totalTimeMills": _rounded(1e3 * self.seconds),
            "totalRequests": len(self.rows),
            "failedRequests": len(self.rows) - good,
            "errorRate": _rounded(100 * (len(self.rows) - good) / len(self.rows)) if self.rows else 0.0,
            "concurrentClients": self.load.clients if not self.load.open else None,
            "tps": _rounded(self.requests_per_s),
            "tokenThroughput": _rounded(self.tokens_per_s),
            "totalTokens": tokens,
            "tokenPerRequest": tokens // good if tokens is not None and good else None,
            "averageLatency": _rounded(self.latency.mean),
            "averageTokenLatency": _rounded(math.fsum(self.latency.ordered) / tokens) if tokens else None,
            **{f"p{q * 100:g}Latency": _rounded(self.latency.at(q)) for q in QUANTILES},
            "timeToFirstByte": _rounded(first.mean),
            **{f"p{q * 100:g}TimeToFirstByte": _rounded(first.at(q)) for q in QUANTILES},
            "inf2lab": {
                "lane": self.target.lane,
                "url": self.target.url,
                "kind": self.target.kind,
                "rows": self.target.rows,
                "gathers": self.target.gathers,
                "loop": "open" if self.load.open else "closed",
                "rate": self.load.rate,
                "warmUp": self.load.warm_up,
                "seed": self.load.seed,
                "fingerprint": self.fingerprint,
                "errors": self.errors,
                "maxLatency": _rounded(self.latency.at(1)),
                **{f"p{q * 100:g}BetweenTokens": _rounded(self.between_tokens.at(q)) for q in QUANTILES},
                "p99SentLate": _rounded(late.at(0.99)),
            },
        }

    def write_json(self, path: Path) -> None:
        """Write `as_dict` to a file."""
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n", encoding="utf-8")

    def write_csv(self, path: Path) -> None:
        """Write one line a request, times in seconds; an empty field is what was not measured."""
        names = [
            "number",
            "due_s",
            "sent_s",
            "ended_s",
            "latency_s",
            "status",
            "prompt_tokens",
            "output_tokens",
        ]
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow([*names, "first_token_s"])
            for row in self.rows:
                values = [getattr(row, name) for name in names]
                out.writerow([_plain(value) for value in (*values, row.first_s)])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else value
