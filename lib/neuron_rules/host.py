"""What loading takes of the host's memory, from how the checkpoint is read and how many programs are compiled."""

from __future__ import annotations

from dataclasses import dataclass

from .buckets import token_buckets
from .dims import ModelDims
from .memory import GIB, dtype_bytes, host_bytes


@dataclass(frozen=True)
class HostRates:
    """What the processes themselves take, in GiB, and the largest file of a checkpoint that is read in one piece."""

    server_gib: float
    worker_gib: float
    compiler_gib: float  # each; one a program, all at once
    shard_gib: float


@dataclass(frozen=True)
class HostPeak:
    """GiB of one worker while it reads, while its programs are compiled, and once it serves."""

    reading: float
    compiling: float
    serving: float
    server: float

    def of(self, workers: int) -> float:
        """Return the most that so many take: they load one after the other, so the others serve meanwhile."""
        return self.server + (max(1, workers) - 1) * self.serving + max(self.reading, self.compiling)


def host_peak(
    dims: ModelDims,
    *,
    dtype: str,
    n_positions: int,
    read_as: str,
    copies: int,
    rates: HostRates,
    parameters: int | None = None,
) -> HostPeak:
    """Return what loading takes when `copies` of the model are held whole in `read_as`, or 0: a layer at a time.

    Numbers have `dtype` on the cores. A file of the checkpoint is in hand beside what was read of it; it may hold other
    `parameters` than follow from the dimensions.
    """
    parameters = parameters or dims.parameters
    layer = (dims.parameters - dims.vocab * dims.hidden) // dims.layers
    serving = rates.worker_gib + host_bytes(dims) / GIB
    if copies:
        shard = min(rates.shard_gib, 2 * parameters / GIB)
        reading = rates.worker_gib + copies * parameters * dtype_bytes(read_as) / GIB + shard
    else:
        reading = serving + layer * dtype_bytes(dtype) / GIB
    programs = serving + len(token_buckets(n_positions)) * rates.compiler_gib
    return HostPeak(reading, programs, serving, rates.server_gib)
