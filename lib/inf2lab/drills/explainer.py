"""From a log to a cause: which known failures a text shows, and what to do about each."""

import re
from dataclasses import dataclass
from pathlib import Path

from inf2lab import catalog, paths
from inf2lab.checks import wrap
from inf2lab.drills.drill import Spot, spots, spots_of
from inf2lab.drills.registry import DRILLS
from inf2lab.words import COLOUR, plain

_EXCEPTION = r"Arguments: \(\w+.*|^Caused by: .*|^(?:.*: )?\w+(?:Error|Exception)\b.*"
# Looked for only where no known failure was found: a sign, a name for it, what it means, what to do.
_UNKNOWN = (
    (
        r"Failed register workflow",
        "model-did-not-load",
        "The model did not load",
        "Look in the traceback for the last line of your own model.py, or run `inf2lab lint` on the folder.",
    ),
    (
        r"Message: 'Failed invoke service\.invoke_handler\(\)'",
        "handler-raised",
        "The handler raised on a request",
        "Look in the traceback for the last line of your own model.py.",
    ),
)


@dataclass(frozen=True)
class Match:
    """A known failure in a text: where it was seen first, and how often."""

    name: str
    title: str
    line_number: int
    line: str
    times: int
    cause: str
    fix: str
    drill: bool  # whether `inf2lab drill NAME` causes it here

    def __str__(self) -> str:
        """Title, line without its prefix, cause and fix, each on a line."""
        line = wrap(plain(self.line), indent="  ")
        return f"{self.title}\n{line}\n  cause: {self.cause}\n  fix:   {self.fix}"


def explain(text: str) -> list[Match]:
    """Return the known failures in a server's log (or in what a terminal showed), in the order of their lines."""
    text = re.sub(COLOUR, "", text)
    found = []
    covered: set[str] = set()
    for drill in DRILLS.values():
        if places := spots_of(drill, text):
            covered.update(drill.covers)
            found.append(_match(drill.name, drill.title, places, drill.cause, drill.fix, drill=True))
    for row in catalog.troubles().values():
        places = spots(row.pattern, text, last_line=True)
        if places and row.id not in covered:
            found.append(_match(row.id, row.symptom, places, row.cause, row.fix, drill=False))
    return sorted(found, key=lambda match: match.line_number) or _unknown(text)


def newest_log() -> Path | None:
    """Return the log of the server that this clone started last; None if there is none."""
    return max(paths.logs().glob("server-*/console.log"), key=lambda path: path.stat().st_mtime, default=None)


def _unknown(text: str) -> list[Match]:
    """Return what can be said of a failure that no row knows: that there was one, and its last words."""
    for pattern, name, title, fix in _UNKNOWN:
        if re.search(pattern, text, re.MULTILINE):
            cause = "No row here knows it; the line above is the last exception."
            return [_match(name, title, spots(_EXCEPTION, text, last_line=True)[-1:], cause, fix, drill=False)]
    return []


def _match(name: str, title: str, places: list[Spot], cause: str, fix: str, *, drill: bool) -> Match:
    first = places[0]
    return Match(name, title, first.line_number, first.line, len(places), cause, fix, drill)
