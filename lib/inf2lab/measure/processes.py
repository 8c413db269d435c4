"""Runs a load: on an event loop in a thread of this process, or on one in each of several processes.

Several processes agree on the clock's start, take every n-th request each, and hand their exact samples back; nothing
is merged from summaries.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from inf2lab.errors import MeasureError
from inf2lab.measure.client import Sample, drive
from inf2lab.measure.load import Load
from inf2lab.measure.target import Request, Target

Progress = Callable[[int, int], None]  # answers so far, and errors among them
TICK_S = 0.2
HEAD_START_S = 1.0  # for the slowest process to import and to warm up


def run_samples(target: Target, load: Load, requests: Sequence[Request], progress: Progress | None) -> list[Sample]:
    """Return a sample of every counted request of a load, by number."""
    counter = _Counter(progress)
    if load.processes == 1:
        return _in_thread(target, load, requests, counter)
    return _in_processes(target, load, requests, counter)


class _Counter:
    """Counts answers from any thread, and reports them now and then."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._lock = progress, threading.Lock()
        self._told, self.done, self.failed = 0.0, 0, 0

    def add(self, done: int, failed: int) -> None:
        with self._lock:
            self.done, self.failed = self.done + done, self.failed + failed
            if self._progress and time.monotonic() - self._told >= TICK_S:
                self._told = time.monotonic()
                self._progress(self.done, self.failed)

    def last(self) -> None:
        if self._progress:
            self._progress(self.done, self.failed)

    def tick(self, good: bool) -> None:
        self.add(1, 0 if good else 1)


def _in_thread(target: Target, load: Load, requests: Sequence[Request], counter: _Counter) -> list[Sample]:
    """A notebook's own loop is running already, so the load gets a thread, and its errors come back here."""
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["samples"] = asyncio.run(drive(target, load, requests, tick=counter.tick))
        except BaseException as error:  # handed to the caller's thread
            outcome["error"] = error

    thread = threading.Thread(target=work, daemon=True, name="inf2lab-load")
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    counter.last()
    return outcome["samples"]


def _in_processes(target: Target, load: Load, requests: Sequence[Request], counter: _Counter) -> list[Sample]:
    start_at = time.perf_counter() + HEAD_START_S
    children = [
        subprocess.Popen([sys.executable, "-m", "inf2lab.measure.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(load.processes)
    ]
    samples: list[Sample] = []
    failures: list[str] = []

    def follow(part: int, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with child.stdin as pipe:
                pickle.dump((target, load, requests, part, start_at), pipe)
            while True:
                kind, value = pickle.load(child.stdout)
                if kind == "ticks":
                    counter.add(*value)
                elif kind == "samples":
                    samples.extend(value)
                    return
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            failures.append(f"part {part} ended early ({type(error).__name__})")
        finally:
            child.stdout.close()
            child.wait()

    threads = [threading.Thread(target=follow, args=pair, daemon=True) for pair in enumerate(children)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
    if failures:
        raise MeasureError(f"the load generator lost a process: {'; '.join(failures)}; run with processes=1")
    counter.last()
    return sorted(samples)
