"""Configurations whose fit on the chip somebody wrote down: what the memory verdicts are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inf2lab.catalog._access import read_file


@dataclass(frozen=True)
class MemoryCase:
    """One documented configuration; `settings_known` false means it bounds no other configuration."""

    model: str
    degree: int
    batch_size: int
    n_positions: int
    dtype: str
    fits: bool
    settings_known: bool
    seen_with: str
    source: str


@cache
def memory_cases() -> tuple[MemoryCase, ...]:
    """Return every documented case, in the order of the data file."""
    return tuple(MemoryCase(**row) for row in read_file("memory_cases")["cases"])
