"""Percentiles of exact samples, by nearest rank: each one is a value that was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(ordered: Sequence[float], quantile: float) -> float | None:
    """Return the smallest value that at least that share of the ordered values does not exceed; None for none."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


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
