"""What a load showed: latencies, throughput, errors by code, tokens; as JSON in the names of DJL's tool, and as CSV.

That tool is awscurl (djl-serving/awscurl). Three things differ from it, on purpose: `tps` and `tokenThroughput` are
per second of the clock, not derived from latencies; a percentile is an exact sample (nearest rank); and what was not
streamed has no time to a first byte.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from inf2lab.files import write_file
from inf2lab.measure.client import Sample
from inf2lab.measure.load import Load
from inf2lab.measure.target import Post, Target
from inf2lab.shapes import read_answer

UNREADABLE = "unreadable"  # 200, and a body that is not of the endpoint's kind


@dataclass(frozen=True)
class Times:
    """Milliseconds: mean, percentiles and extremes of `count` values, which `ordered` holds."""

    ordered: tuple[float, ...]

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Times:
        """Return the times of values in seconds."""
        return cls(tuple(sorted(1e3 * value for value in seconds)))

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.ordered)

    @property
    def mean(self) -> float | None:
        """The mean; None for no values."""
        return math.fsum(self.ordered) / len(self.ordered) if self.ordered else None

    def at(self, quantile: float) -> float | None:
        """The percentile of that share, 0.99 for p99; None for no values."""
        return percentile(self.ordered, quantile)

    def tells(self, quantile: float) -> bool:
        """Whether a value lies beyond that percentile: of fewer than a hundred values the p99 is just the slowest."""
        return math.ceil(quantile * self.count) < self.count


@dataclass(frozen=True)
class Row:
    """One request in plain numbers; seconds from the start of the load, None for what was not measured."""

    number: int
    due_s: float
    sent_s: float
    ended_s: float
    status: str
    prompt_tokens: int | None
    output_tokens: int | None
    first_s: float | None
    gaps_s: tuple[float, ...]
    replica: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was answered with 200 and a body of its kind."""
        return self.status == "200"

    @property
    def latency_s(self) -> float:
        """From when it was due (in a closed loop: sent) to the last byte."""
        return self.ended_s - self.due_s


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
        counts = [row.output_tokens for row in self.good if row.output_tokens is not None]
        return sum(counts) if counts and len(counts) == len(self.good) else None

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens a second of the clock; None where they were not counted."""
        tokens = self.output_tokens
        return tokens / self.seconds if tokens is not None and self.seconds else None

    def as_dict(self) -> dict[str, Any]:
        """Return awscurl's fields (times in ms, rate of errors in per cent), and under `inf2lab` what it has not."""
        good, tokens = len(self.good), self.output_tokens
        return {
            "tokenizer": str(self.target.tokens) if self.target.tokens else None,
            "totalTimeMills": _round(1e3 * self.seconds),
            "totalRequests": len(self.rows),
            "failedRequests": len(self.rows) - good,
            "errorRate": _round(100 * (len(self.rows) - good) / len(self.rows)) if self.rows else 0.0,
            "concurrentClients": self.load.clients if not self.load.open else None,
            "tps": _round(self.requests_per_s),
            "tokenThroughput": _round(self.tokens_per_s),
            "totalTokens": tokens,
            "tokenPerRequest": tokens // good if tokens is not None and good else None,
            "averageLatency": _round(self.latency.mean),
            "averageTokenLatency": _round(math.fsum(self.latency.ordered) / tokens) if tokens else None,
            **_percentiles("Latency", self.latency),
            "timeToFirstByte": _round(self.first_token.mean),
            **_percentiles("TimeToFirstByte", self.first_token),
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
                "maxLatency": _round(self.latency.at(1)),
                **_percentiles("BetweenTokens", self.between_tokens),
                "p99SentLate": _round(self.late.at(0.99)),
            },
        }

    def write_csv(self, path: Path) -> None:
        """Write one line a request, times in seconds; an empty field is what was not measured."""
        names = ["number", "due_s", "sent_s", "ended_s", "latency_s", "status", "prompt_tokens", "output_tokens"]
        file = io.StringIO(newline="")
        out = csv.writer(file)
        out.writerow([*names, "first_token_s"])
        for row in self.rows:
            values = [getattr(row, name) for name in names]
            out.writerow([_plain(value) for value in (*values, row.first_s)])
        write_file(path, file.getvalue())


def percentile(ordered: Sequence[float], quantile: float) -> float | None:
    """Return the smallest value that at least that share of the ordered values does not exceed; None for none."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


def rows_of(target: Target, posts: Sequence[Post], samples: Iterable[Sample]) -> tuple[Row, ...]:
    """Return the samples read: texts, tokens, first piece and the gaps between pieces."""
    rows, texts = [], []
    for sample in samples:
        post, status = posts[sample.number % len(posts)], sample.status
        lines = _lines(sample.pieces)
        answer = None
        if status == "200":
            answer = read_answer(target.shape, sample.body, [line for _, line in lines])
            status = UNREADABLE if answer is None else status
        times = _token_times(target, lines) if answer is not None else []
        rows.append((sample, status, post, times))
        texts.append(answer if target.shape.texts or target.shape.streams else None)
    counts = _count(target, [row[2] for row in rows], texts)
    return tuple(
        Row(
            number=sample.number,
            due_s=sample.due,
            sent_s=sample.sent,
            ended_s=sample.ended,
            status=status,
            prompt_tokens=sum(post.prompt_tokens) if post.prompt_tokens else None,
            output_tokens=tokens,
            first_s=times[0] - sample.due if len(times) > 1 else None,  # one piece is no stream
            gaps_s=tuple(later - earlier for earlier, later in pairwise(times)),
            replica=sample.replica,
        )
        for (sample, status, post, times), tokens in zip(rows, counts, strict=True)
    )


def _count(target: Target, posts: Sequence[Post], texts: Sequence[list[str] | None]) -> list[int | None]:
    """Output tokens of each answer by the model's tokenizer; a text that repeats its prompt is counted without it."""
    if target.tokens is None:
        return [None] * len(texts)
    flat = [text for answer in texts for text in answer or []]
    counts = iter(target.tokens.count(flat))
    found: list[int | None] = []
    for post, answer in zip(posts, texts, strict=True):
        if answer is None:
            found.append(None)
            continue
        total = 0
        for row, text in enumerate(answer):
            total += next(counts)
            if post.prompt_tokens and row < len(post.prompts) and text.startswith(post.prompts[row]):
                total -= post.prompt_tokens[row]
        found.append(total)
    return found


def _lines(pieces: Sequence[tuple[float, bytes]]) -> list[tuple[float, str]]:
    """The lines of a stream, each with the time at which its end came."""
    lines, rest, at = [], b"", 0.0
    for at, piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        lines += [(at, line) for line in whole]
    lines.append((at, rest))
    return [(time, line.decode(errors="replace").strip()) for time, line in lines if line.strip()]


def _token_times(target: Target, lines: Sequence[tuple[float, str]]) -> list[float]:
    piece = target.shape.piece
    return [time for time, line in lines if piece is not None and piece(line)]


def _percentiles(name: str, times: Times) -> dict[str, float | None]:
    return {f"p{percent}{name}": _round(times.at(percent / 100)) for percent in (50, 90, 99)}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else value
