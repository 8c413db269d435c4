"""Reading a server's log: which steps it has reached, and why it stopped."""

from __future__ import annotations

import re
from pathlib import Path

# What DJLServing 0.25 prints (facts on its log lines), and what it means to a reader.
_MILESTONES = (
    ("Found model ", "model folder found"),
    ("Start process: ", "worker process started"),
    ("Python engine started.", "the worker has imported the handler"),
    (
        "words come from stand-in",
        "stand-in weights speak, by the named model's rules",
    ),  # the rehearsal's own line
    (" initialized.", "model loaded"),
    ("API bind to: ", "port open"),
)
_COLOUR = r"(?:\x1b\[[0-9;]*m)*"
_LEVEL = re.compile(
    rf"^(?:\d{{4}}-\d\d-\d\d \S+ )?{_COLOUR}(?:(?:TRACE|DEBUG|INFO|WARN|ERROR)\s+{_COLOUR}\s*)?"
)
_WORKER = re.compile(r"^.*?W-\d+-\S+?-std(?:out|err): ?")
_RAISED = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Iteration)\b.*")
_JAVA = re.compile(r"^(?:Caused by: )?((?:java|ai\.djl|io\.netty)\.[\w.$]+.*)")
# The 0.25 worker's own call to `logging` is malformed: this follows each exception of a handler.
_COMPLAINT = "TypeError: not all arguments converted during string formatting"


def read_lines(path: Path) -> list[str]:
    """Return the log's lines; none for a log that is not there."""
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def milestones(path: Path) -> list[str]:
    """Return the steps that the log shows, each once, in the order in which they came."""
    seen: dict[str, str] = {}
    for line in read_lines(path):
        for text, meaning in _MILESTONES:
            if text in line and text not in seen:
                seen[text] = meaning
    return list(seen.values())


def plain(line: str) -> str:
    """Return a log line without the worker's and the logger's prefix."""
    return _WORKER.sub("", line) if _WORKER.match(line) else _LEVEL.sub("", line)


def last_line(path: Path) -> str:
    """Return the last line that says something, without prefixes; empty for a log that is not there."""
    lines = (plain(line).strip() for line in reversed(read_lines(path)))
    return next((line for line in lines if line), "")


def cause_of_failure(path: Path) -> str:
    """Return the exception that ended the load (a handler's before the server's innermost), else the last line."""
    if not path.exists():
        return "it left no log"
    lines = [plain(line).strip() for line in read_lines(path)]
    loaded = any("API bind to: " in line for line in lines)
    if loaded and not any("Failed register workflow" in line for line in lines):
        return (
            f"it was ready, then its process ended; last log line: {last_line(path)!r}"  # no request's error
        )
    of_java = [match[1] for line in lines if (match := _JAVA.match(line))]
    raised = [line for line in lines if _RAISED.match(line) and not _JAVA.match(line) and line != _COMPLAINT]
    return next(reversed(raised or of_java), "") or last_line(path)
