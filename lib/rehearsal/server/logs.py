"""Log lines in DJLServing's shape, to stdout and to the files that an operator of the original knows."""

from __future__ import annotations

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


class ServerLog:
    """Writes `LEVEL Class message` lines; one instance a server.

    Console lines carry no time, as in the original; lines in files begin with it.
    """

    def __init__(self, log_dir: Path | None = None, console: TextIO | None = None) -> None:
        self._console = sys.stdout if console is None else console
        self._files: dict[str, TextIO] = {}
        self._second, self._stamp = 0, ""
        self._host = socket.gethostname()
        if log_dir is None:
            return
        try:
            log_dir.mkdir(parents=True, exist_ok=True)
            for key, name in FILES.items():
                self._files[key] = (log_dir / name).open("a", buffering=1, encoding="utf-8", errors="replace")
        except OSError as error:
            raise SetupError(f"--log-dir {log_dir}: cannot write there: {error}") from error

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
            file.write(f'{self._now()} {client} "{request_line}" {status} {took_ms}\n')

    def metric(self, kind: str, text: str) -> None:
        """One line of server_metric.log or model_metric.log."""
        if file := self._files.get(kind):
            file.write(f"{self._now()} INFO  {text}\n")

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
        text = f"{level:<5} {source} {message}\n"
        try:
            self._console.write(text)
            self._console.flush()
        except (BrokenPipeError, ValueError):
            pass  # nobody reads the console any more; the files still get the line
        if file := self._files.get("serving"):
            file.write(f"{self._now()} {text}")

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return self._stamp
