"""One line of the doctor's report."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: `note` works with less, or cannot be seen yet; `missing` must be fixed for this lane."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Diagnosis:
    """What was found of one subject, and what to do about it."""

    subject: str
    level: Level
    found: str
    remedy: str = ""
