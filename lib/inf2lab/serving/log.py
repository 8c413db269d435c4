"""Reading a server's log, also while it is written: which steps it has reached, and why it stopped."""

import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from inf2lab.errors import LabError
from inf2lab.words import plain

_TAIL = 65536  # bytes of a log in which its last line is looked for
PATIENCE_S = 60  # for a line of a log that is still being written, on a machine with much else to do
# What DJLServing 0.25 prints (facts on its log lines) and neuronx-cc's wrapper (optimum-neuron#407, #129, #698;
# aws-neuron-sdk#825, #872), and what it means to a reader.
_MILESTONES = (
    ("Found model ", "model folder found"),
    ("Start process: ", "worker process started"),
    ("Python engine started.", "the worker has imported the handler"),
    ("words come from stand-in", "stand-in weights speak, by the named model's rules"),  # the rehearsal's own line
    ("Call compiler with cmd", "compiling for the chip: minutes, longer than everything else"),
    ("Using a cached neff", "a compiled program is in the cache"),
    (" initialized.", "model loaded"),
    ("API bind to: ", "port open"),
    # vLLM 0.16's own.
    ("Starting to load model ", "the engine loads the model"),
    ("Application startup complete.", "port open"),
)
_RAISED = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Iteration)\b.*")
_JAVA = re.compile(r"^(?:Caused by: )?((?:java|ai\.djl|io\.netty)\.[\w.$]+.*)")
# The 0.25 worker's own call to `logging` is malformed: this follows each exception of a handler.
_COMPLAINT = "TypeError: not all arguments converted during string formatting"


def read_lines(path: Path) -> list[str]:
    """Return the log's lines, those that were rolled into older files first; none for a log that is not there."""
    lines = []
    for part in [*sorted(path.parent.glob(f"{path.name}.[0-9]"), reverse=True), path]:
        with contextlib.suppress(FileNotFoundError):
            lines += part.read_text(errors="replace").splitlines()
    return lines


def read_until(path: Path, until: str, *, start: int = 0, patience_s: float = PATIENCE_S) -> str:
    """Return a log from byte `start` on, once it has a line with the pattern `until`; raises LabError.

    A worker's words arrive a moment after its answer.
    """
    deadline = time.monotonic() + patience_s
    while True:
        gained = _read_from(path, start).decode(errors="replace")
        if re.search(until, gained, re.MULTILINE):
            return gained
        if time.monotonic() > deadline:
            raise LabError(f"the log got no line with {until!r} within {patience_s:g} s:\n{gained}")
        time.sleep(0.02)


def _read_from(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        begun_anew = file.seek(0, os.SEEK_END) < start
        file.seek(0 if begun_anew else start)
        return file.read()


def follow(
    path: Path, lines: int, runs: Callable[[], bool], *, patience_s: float = 3, poll_s: float = 0.2
) -> Iterator[str]:
    """Yield the last lines and then each new one; a log that is begun anew is read from its start.

    Ends when `runs` has been false for `patience_s`, so that a restart in between is lived through.
    """
    file = _open(path)
    yield from deque(_complete(file), maxlen=lines)
    last_seen = time.monotonic()
    while True:
        said = False
        for line in _complete(file):
            said = True
            yield line
        if said:
            continue
        if _is_another(path, file):
            file = _open(path, instead_of=file)
            continue
        now = time.monotonic()
        if runs():
            last_seen = now
        elif now - last_seen > patience_s:
            break
        time.sleep(poll_s)
    if file is not None:
        with file:
            rest = file.read()  # a last line that was never ended
        if rest:
            yield rest.decode(errors="replace")


def _open(path: Path, *, instead_of: BinaryIO | None = None) -> BinaryIO | None:
    if instead_of is not None:
        instead_of.close()
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _complete(file: BinaryIO | None) -> Iterator[str]:
    """The lines that have been ended since the last look."""
    while file is not None:
        at = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(at)
            return
        yield line[:-1].decode(errors="replace")


def _is_another(path: Path, file: BinaryIO | None) -> bool:
    """Whether the path now leads to another file, or to the same one cut off."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    if file is None:
        return True
    ours = os.fstat(file.fileno())
    return (now.st_ino, now.st_dev) != (ours.st_ino, ours.st_dev) or now.st_size < file.tell()


class Steps:
    """The steps that a growing log has shown, each once, in the order in which they came.

    Each look reads on from where the last one ended: a handler may print gigabytes while it loads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open(path)
        self._seen: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def look(self) -> list[str]:
        """Return all steps until now."""
        self._read_on()
        while _is_another(self._path, self._file):
            self._file = _open(self._path, instead_of=self._file)
            self._read_on()
        return list(self._seen.values())

    def _read_on(self) -> None:
        for line in _complete(self._file):
            self._note(line)
        if self._file is not None:
            at = self._file.tell()
            self._note(self._file.read().decode(errors="replace"))  # a line that has no end yet
            self._file.seek(at)

    def _note(self, line: str) -> None:
        line = line.replace("not be initialized", "")  # the runtime's refusal, which is no step
        for text, meaning in _MILESTONES:
            if text in line and text not in self._seen:
                self._seen[text] = meaning


def last_line(path: Path) -> str:
    """Return the last line that says something, without prefixes; empty for a log that is not there."""
    try:
        end = _read_from(path, max(0, path.stat().st_size - _TAIL))
    except FileNotFoundError:
        return ""
    lines = (plain(line).strip() for line in reversed(end.decode(errors="replace").splitlines()))
    return next((line for line in lines if line), "")


def cause_of_failure(path: Path) -> str:
    """Return the exception that ended the load (a handler's before the server's innermost), else the last line."""
    if not path.exists():
        return "it left no log"
    lines = [plain(line).strip() for line in read_lines(path)]
    loaded = any("API bind to: " in line for line in lines)
    if loaded and not any("Failed register workflow" in line for line in lines):
        return f"it was ready, then its process ended; last log line: {last_line(path)!r}"  # no request's error
    of_java = [match[1] for line in lines if (match := _JAVA.match(line))]
    raised = [line for line in lines if _RAISED.match(line) and not _JAVA.match(line) and line != _COMPLAINT]
    return next(reversed(raised or of_java), "") or last_line(path)
