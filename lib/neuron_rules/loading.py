"""How long a load takes, step by step, from the bytes that it moves and the programs that it compiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from .buckets import token_buckets
from .dims import ModelDims
from .memory import dtype_bytes

MB, MIB = 10**6, 2**20


@dataclass(frozen=True)
class Span:
    """The bounds of a number that nobody has measured where it counts."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """Their geometric mean: as many times above the one as below the other."""
        return sqrt(self.low * self.high)

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.high + other.high)

    def scaled(self, factor: float) -> Span:
        """Both bounds times `factor`."""
        return Span(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class LoadRates:
    """How fast each step of a load is: megabytes a second (the disk: MiB), and seconds to compile one layer."""

    download_mb_per_s: Span
    disk_mib_per_s: Span
    host_mb_per_s: Span  # reading into tensors, casting, slicing, copying to the cores
    compile_s_per_layer: Span


def load_steps(
    dims: ModelDims,
    *,
    dtype: str,
    n_positions: int,
    vcpus: int,
    rates: LoadRates,
    parameters: int | None = None,
    warm: bool = False,
) -> Mapping[str, Span]:
    """Return the seconds of each step of a load; a `warm` one finds weights and compiled programs where they were kept.

    Numbers have `dtype` on the cores and two bytes in the hub's files, which may hold other `parameters` than follow
    from the dimensions. The split copy is written and read again. All programs are compiled at once, so that they
    share the processors where there are fewer of these.
    """
    parameters = parameters or dims.parameters
    files, split, programs = 2 * parameters, dtype_bytes(dtype) * parameters, len(token_buckets(n_positions))
    disk = rates.disk_mib_per_s
    kept = {
        "disk": _seconds((files + 2 * split) / MIB, disk),
        "host": _seconds((files + split) / MB, rates.host_mb_per_s),
    }
    if warm:
        return kept
    fetched, stored = _seconds(files / MB, rates.download_mb_per_s), _seconds(files / MIB, disk)
    return {
        "download": Span(max(fetched.low, stored.low), max(fetched.high, stored.high)),
        **kept,
        "compile": rates.compile_s_per_layer.scaled(dims.layers * max(1.0, programs / vcpus)),
    }


def load_seconds(steps: Mapping[str, Span]) -> Span:
    """Return the steps one after the other."""
    return sum(steps.values(), Span(0, 0))


def _seconds(size: float, rate: Span) -> Span:
    return Span(size / rate.high, size / rate.low)
