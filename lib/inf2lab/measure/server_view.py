"""The server's side of a load: how long requests waited for a worker, and how long the model took.

DJLServing writes both to its metrics logs, in microseconds since the request came in: `QueueTime` when a worker takes
it, and `ModelLatency` (since 2024 `RequestLatency`) when the model has answered. The difference is the model's time;
of an answer that streams, it ends with the first piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inf2lab.errors import MeasureError
from inf2lab.measure.result import Times

FILES = ("server_metric.log", "model_metric.log")
ANSWERED = ("ModelLatency", "RequestLatency")
# As DJL's Metric class writes them: Name.Unit:value|#Dimension:value,...
_METRIC = re.compile(r"(?P<name>\w+)\.\w+:(?P<value>-?[\d.eE+]+)(?:\|#\S*)?\s*$")


@dataclass(frozen=True)
class Metric:
    """One line of a metrics log: `QueueTime.Microseconds:180|#Host:vm`."""

    name: str
    value: float


@dataclass(frozen=True)
class ServerView:
    """What the server noted while a load ran; `responses` counts its answers by class, 2XX and so on."""

    queue: Times
    model: Times
    responses: dict[str, int]


@dataclass(frozen=True)
class Mark:
    """Where the metrics logs end now, so that only what comes later is read."""

    folder: Path
    sizes: dict[str, int]

    @classmethod
    def here(cls, folder: Path) -> Mark:
        """Return the mark of a server's log folder; files may still be missing."""
        return cls(folder, {name: _size(folder / name) for name in FILES})

    def view(self) -> ServerView:
        """Return what the server noted since; raises MeasureError where it keeps no metrics log."""
        if not any((self.folder / name).exists() for name in FILES):
            raise MeasureError(
                f"{self.folder}: no {' or '.join(FILES)}: the server writes them to its log folder, /opt/djl/logs"
            )
        return view_of(line for name in FILES for line in _since(self.folder / name, self.sizes[name]))


def read_metric(line: str) -> Metric | None:
    """Return what a line of a metrics log says, or None for another line."""
    match = _METRIC.search(line)
    return Metric(match["name"], float(match["value"])) if match else None


def view_of(lines: Iterable[str]) -> ServerView:
    """Return the server's view from lines of its metrics logs, in their order.

    A worker takes requests in the order in which it answers them, so the n-th answer belongs to the n-th that was
    taken; with several workers the pairs may be mixed up, and only sums and means of the model's time are exact.
    """
    taken: list[float] = []
    answered: list[float] = []
    responses: dict[str, int] = {}
    for line in lines:
        metric = read_metric(line)
        if metric is None:
            continue
        if metric.name == "QueueTime":
            taken.append(metric.value)
        elif metric.name in ANSWERED:
            answered.append(metric.value)
        elif metric.name.casefold().startswith("response_"):
            kind = metric.name[len("response_") :].replace("_", "")
            responses[kind] = responses.get(kind, 0) + int(metric.value)
    model = (max(0.0, whole - queue) for whole, queue in zip(answered, taken, strict=False))
    return ServerView(Times.of(value / 1e6 for value in taken), Times.of(value / 1e6 for value in model), responses)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _since(path: Path, start: int) -> list[str]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(start if start <= path.stat().st_size else 0)  # a smaller file is a new one
        return file.read().decode(errors="replace").splitlines()
