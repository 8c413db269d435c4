"""What goes wrong on an instance: the symptom, a pattern for its log line, cause and fix, with the source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from inf2lab.catalog._access import one, read_file


@dataclass(frozen=True)
class Trouble:
    """One row; `pattern` finds its line in a log (`^`, `$`: of a line), and nothing where no line tells."""

    id: str
    symptom: str
    pattern: str
    cause: str
    fix: str
    source: str


@cache
def troubles() -> dict[str, Trouble]:
    """Return every row by its id, in the order of the data file."""
    return {row["id"]: Trouble(**row) for row in read_file("troubleshooting")["rows"]}


def trouble(name: str) -> Trouble:
    """Return one row; raises SettingsError with the known ids."""
    return one("trouble", name, troubles())


def recognise(text: str) -> Trouble | None:
    """Return the first row whose line is in `text`, or None."""
    rows = troubles().values()
    return next((row for row in rows if row.pattern and re.search(row.pattern, text, re.MULTILINE)), None)
