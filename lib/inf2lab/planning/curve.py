"""A measured load as JSON, in the names of DJL's awscurl: `measure` writes it, a plan for more replicas reads it."""

import json
from pathlib import Path
from typing import TypedDict

from inf2lab.errors import SettingsError

HOW = "write one with `inf2lab load --clients 1,2,4,8 --json FILE`"


class CurveDetails(TypedDict, total=False):
    """What awscurl has not."""

    gathers: int | None  # requests that the server gathers into one batch


class CurvePoint(TypedDict):
    """What a plan reads of one load; times in ms, None for what was not measured. A sweep is a list of them."""

    totalRequests: int
    failedRequests: int
    concurrentClients: int | None
    tps: float | None
    averageLatency: float | None
    p50Latency: float | None
    p90Latency: float | None
    p99Latency: float | None
    inf2lab: CurveDetails


def read_curve(path: Path) -> list[CurvePoint]:
    """Return the loads in a file of `inf2lab load --json`; raises SettingsError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError("curve", str(path), f"cannot be read as JSON ({error}): {HOW}") from error
    return found if isinstance(found, list) else [found]
