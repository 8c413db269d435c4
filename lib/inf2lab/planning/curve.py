"""A measured load as JSON, in the names of DJL's awscurl: `measure` writes it, a plan for more replicas reads it."""

import json
from pathlib import Path
from typing import TypedDict

from inf2lab.errors import SettingsError

HOW = "write one with `inf2lab load --clients 1,2,4,8 --json FILE`"


class CurveDetails(TypedDict, total=False):
    """What awscurl has not; times in ms."""

    lane: str
    url: str
    kind: str
    rows: int
    gathers: int | None  # requests that the server gathers into one batch
    loop: str
    rate: float | None
    warmUp: int
    seed: int
    fingerprint: str
    errors: dict[str, int]
    maxLatency: float | None
    p50BetweenTokens: float | None
    p90BetweenTokens: float | None
    p99BetweenTokens: float | None
    p99SentLate: float | None


class CurvePoint(TypedDict):
    """One load; times in ms, None for what was not measured. A sweep over clients is a list of them."""

    tokenizer: str | None
    totalTimeMills: float | None
    totalRequests: int
    failedRequests: int
    errorRate: float | None
    concurrentClients: int | None
    tps: float | None
    tokenThroughput: float | None
    totalTokens: int | None
    tokenPerRequest: int | None
    averageLatency: float | None
    averageTokenLatency: float | None
    p50Latency: float | None
    p90Latency: float | None
    p99Latency: float | None
    timeToFirstByte: float | None
    p50TimeToFirstByte: float | None
    p90TimeToFirstByte: float | None
    p99TimeToFirstByte: float | None
    inf2lab: CurveDetails


def read_curve(path: Path) -> list[CurvePoint]:
    """Return the loads in a file of `inf2lab load --json`; raises SettingsError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError("curve", str(path), f"cannot be read as JSON ({error})") from error
    return found if isinstance(found, list) else [found]
