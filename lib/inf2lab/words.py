"""Words that many sentences need, written once."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Return the count and its noun: `1 worker`, `3 workers`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
