"""Words that many sentences need, and those that many logs begin with, written once."""

import html
import re
from collections.abc import Callable
from contextlib import suppress

Report = Callable[[str], object]  # takes a line for the reader
COLOUR = r"(?:\x1b\[[0-9;]*m)*"  # the real server's console has it
_LEVEL = re.compile(rf"^(?:\d{{4}}-\d\d-\d\d \S+ )?{COLOUR}(?:(?:TRACE|DEBUG|INFO|WARN|ERROR)\s+{COLOUR}\s*)?")
_WORKER = re.compile(r"^.*?W-\d+-\S+?-std(?:out|err): ?")


def unfailing(report: Report) -> Report:
    """Return a report for work that must go on where nobody hears of it: the terminal is closed, the disk is full."""

    def tell(line: str) -> None:
        with suppress(OSError):
            report(line)

    return tell


def plural(count: int, noun: str) -> str:
    """Return the count and its noun: `1 worker`, `3 workers`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def short(text: str, longest: int = 60) -> str:
    """Return a text as a message or a table shows it: without blanks around it, and cut where it is long."""
    text = text.strip()
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def as_html(text: str) -> str:
    """Return a sentence for a page: what stands between backquotes is code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def on_the_left(tag: str, inside: str) -> str:
    """Return a cell of a table: a notebook sets it on the right without being told; `tag` may have options."""
    return f'<{tag} style="text-align:left">{inside}</{tag.split()[0]}>'


def plain(line: str) -> str:
    """Return a line of a server's log without the worker's and the logger's prefix."""
    return _WORKER.sub("", line) if _WORKER.match(line) else _LEVEL.sub("", line)
