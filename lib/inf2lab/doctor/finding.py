"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`level` is ok, note (works with less, or cannot be seen yet) or missing (must be mended for this lane)."""

    subject: str
    level: str
    found: str
    remedy: str = ""
