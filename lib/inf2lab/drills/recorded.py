"""What each drill looked like when it was recorded: the lines a reader searches for, variable parts masked."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from inf2lab.drills.drill import Result
from inf2lab.words import plain

FILE = Path(__file__).with_name("recorded.json")
SHOWN_LINES = 8
_MASKS = (
    (r"W-\d+-", "W-123-"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8080"),
    (r"\bport \d+", "port 8080"),
    (r"server-\d+", "server-8080"),
    (r"/\S*inf2lab-[^/\s]+/drill", "/opt/ml/model/drill"),
    (r"taken by .*?: stop it", "taken by python (process 123): stop it"),
    (r"`port = \d+`", "`port = 8081`"),
    (r"\(whole log: .*?(?=server-)", "(whole log: logs/"),
    (r"\.cc:\d+\]", ".cc]"),
    (r"file write failed.*|unexpected pos.*", "..."),
)


@dataclass(frozen=True)
class Seen:
    """A recorded sighting: what the terminal showed, and the line that names the failure."""

    terminal: tuple[str, ...]
    line: str

    @property
    def words(self) -> str:
        """The line without the prefixes of server and worker."""
        return plain(self.line)


@cache
def seen() -> dict[str, Seen]:
    """Return what was recorded, by drill."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: Seen(tuple(row["terminal"]), row["line"]) for name, row in rows.items()}


def describe_seen(result: Result) -> Seen:
    """Return what a run of a drill looked like, masked as in the record."""
    terminal = [line for line in mask(result.sighting.answer).splitlines() if line.strip()]
    return Seen(tuple(terminal[:SHOWN_LINES]), mask(result.line))


def mask(text: str) -> str:
    """Return a text with ports, process ids, paths and line numbers of other libraries made the same everywhere."""
    for pattern, text_for_it in _MASKS:
        text = re.sub(pattern, text_for_it, text)
    return text
