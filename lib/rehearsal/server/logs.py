"""Log lines in DJLServing's shape, to stdout and to the files that an operator of the original knows.

A full disk must not take an answer: a line that cannot be written is dropped and counted, and told of in its place
once there is room. A file is rolled at the original's size, and so many old ones are kept as there.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import TextIO

from rehearsal.server.errors import SetupError

FILES = {
    "serving": "serving.log",
    "access": "access.log",
    "server_metric": "server_metric.log",
    "model_metric": "model_metric.log",
}
CONSOLE = "console.log"  # in the folder of logs: stdout, if whoever started the server sent it there
METRIC = re.compile(r"\s*([\w\s]+)\.([\w\s]+):([0-9\-,.e]+)(?:\|#([^|]*))?(?:\|(\d+))?", re.ASCII)
ROLLED_AT, KEPT = 10 * 2**20, 5  # bytes of a file, and older ones beside it


class ServerLog:
    """Writes `LEVEL Class message` lines; one instance a server.

    Console lines carry no time, as in the original; those of serving.log are `[LEVEL] time Class - message`.
    """

    def __init__(self, log_dir: Path | None = None, console: TextIO | None = None) -> None:
        self._console = _Console(sys.stdout if console is None else console)
        self._files: dict[str, _File] = {}
        self._second, self._stamp = 0, ""
        self._host = socket.gethostname()
        if log_dir is None:
            return
        try:
            log_dir.mkdir(parents=True, exist_ok=True)
            for key, name in FILES.items():
                self._files[key] = _File(log_dir / name)
        except OSError as error:
            raise SetupError(f"--log-dir {log_dir}: cannot write there: {error}") from error
        self._console.roll_as(log_dir / CONSOLE)

    def info(self, source: str, message: str) -> None:
        """A line of level INFO from the class `source`; further lines of the message follow bare."""
        self._line("INFO", source, message)

    def warn(self, source: str, message: str) -> None:
        """A line of level WARN."""
        self._line("WARN", source, message)

    def error(self, source: str, message: str) -> None:
        """A line of level ERROR."""
        self._line("ERROR", source, message)

    def access(self, client: str, request_line: str, status: int, took_ms: int) -> None:
        """One line of access.log."""
        if file := self._files.get("access"):
            file.write(self._now(), f'{client} "{request_line}" {status} {took_ms}\n')

    def metric(self, kind: str, text: str) -> None:
        """One line of server_metric.log or model_metric.log."""
        if file := self._files.get(kind):
            file.write(self._now(), f"{text}\n")

    def model_metric(self, text: str) -> None:
        """What a handler printed after `[METRICS]`, as DJL's Metric class reads and writes it; else `null`."""
        read = METRIC.fullmatch(text)
        if read is None:
            self.metric("model_metric", "null")
            return
        name, unit, value, dimensions, stamp = read.groups()
        pairs = [pair for pair in (dimensions or "").split(",") if pair.count(":") == 1]
        shown = f"|#{','.join(pairs)}" if pairs else ""
        self.metric("model_metric", f"{name}.{unit}:{value}{shown}{f'|{stamp}' if stamp else ''}")

    def count(self, name: str) -> None:
        """Adds one to a counter of the server, as DJL's Metric class writes it."""
        self.metric("server_metric", f"{name}.Count:1|#Host:{self._host}")

    def timing(self, name: str, microseconds: int, model: str = "") -> None:
        """A time in server_metric.log, of the host or of one model, as DJL's Metric class writes it."""
        dimension = f"Model:{model}" if model else f"Host:{self._host}"
        self.metric("server_metric", f"{name}.Microseconds:{microseconds}|#{dimension}")

    def close(self) -> None:
        """Closes the files; the console stays open."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _line(self, level: str, source: str, message: str) -> None:
        self._console.write("", f"{level:<5} {source} {message}\n")
        if file := self._files.get("serving"):
            file.write(f"[{level:<5}] {self._now()}", f"{source} - {message}\n")

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S ", time.localtime(second))
        return self._stamp


class _Sink:
    """Where lines go. No write raises; below Python's own buffers, which keep what a full disk refused."""

    def __init__(self, fd: int, path: Path | None, encoding: str = "utf-8") -> None:
        self._fd, self._path, self._encoding = fd, path, encoding
        self._size = os.fstat(fd).st_size if path else 0
        self._lost, self._is_cut = 0, False

    def write(self, stamp: str, text: str) -> None:
        """Writes one line, or counts it."""
        data = (stamp + text).encode(self._encoding, "replace")
        if self._path is not None and self._size and self._size + len(data) > ROLLED_AT:
            self._roll(self._path)
        if self._lost:
            told = f"{stamp or 'WARN  '}Rehearsal - {self._lost} lines are missing here: they could not be written\n"
            data = b"\n" * self._is_cut + told.encode() + data
        try:
            written = os.write(self._fd, data)
        except OSError:
            self._lost += 1
            return
        self._size += written
        self._is_cut = written < len(data)
        self._lost = self._lost + 1 if self._is_cut else 0

    def _roll(self, path: Path) -> None:
        """Begins the file anew; one that cannot be renamed is written on."""
        self._size = 0  # so that the next try comes no sooner
        with contextlib.suppress(OSError):
            for number in range(KEPT - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{path}.{number}", f"{path}.{number + 1}")
            os.replace(path, f"{path}.1")
            self._move_to(_open(path))

    def _move_to(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd


class _File(_Sink):
    def __init__(self, path: Path) -> None:
        super().__init__(_open(path), path)

    def close(self) -> None:
        os.close(self._fd)


class _Console(_Sink):
    """Standard output; a stream that is no file is written as it is, one that is closed not at all."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        try:
            fd = stream.fileno() if stream is not None else -1
        except (OSError, ValueError):  # a stream in memory
            fd = -1
        super().__init__(fd, None, getattr(stream, "encoding", None) or "utf-8")

    def write(self, stamp: str, text: str) -> None:
        if self._fd >= 0:
            super().write(stamp, text)
        elif self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(stamp + text)

    def roll_as(self, path: Path) -> None:
        """Rolls it, if this very file is where stdout goes: any other file is its owner's."""
        with contextlib.suppress(OSError):
            if os.path.samestat(path.stat(), os.fstat(self._fd)):
                self._path, self._size = path, path.stat().st_size

    def _move_to(self, fd: int) -> None:
        was = os.fstat(self._fd)
        for number in (1, 2):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(number), was):
                    os.dup2(fd, number)
        os.close(fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
