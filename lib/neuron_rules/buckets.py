"""Which sequence lengths get a compiled program of their own, and which program a position runs in."""

from __future__ import annotations

from collections.abc import Sequence

SMALLEST_BUCKET = 128


def token_buckets(n_positions: int, smallest: int = SMALLEST_BUCKET) -> tuple[int, ...]:
    """Program lengths for decoding: 128 doubled below n_positions, then n_positions (300: 128, 256, 300)."""
    buckets = []
    size = smallest
    while size < n_positions:
        buckets.append(size)
        size *= 2
    return (*buckets, n_positions)


def context_buckets(estimate: int | Sequence[int] | None, n_positions: int) -> tuple[int, ...]:
    """Program lengths for the prompt: an int is one, 0 none, None is half of each token bucket."""
    if estimate is None:
        return tuple(bucket // 2 for bucket in token_buckets(n_positions))
    if isinstance(estimate, int):
        return (estimate,) if estimate > 0 else ()
    return tuple(sorted(estimate))


def bucket_for(buckets: Sequence[int], length: int) -> int | None:
    """The first bucket that holds `length` positions; None when the longest is too short."""
    return next((bucket for bucket in buckets if bucket >= length), None)
