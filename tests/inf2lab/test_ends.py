"""A command that is told to end takes down what it started, whoever tells it, and once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Semaphore, Thread

import psutil
import pytest

from inf2lab.cli.common import ending_tidily

PATIENCE_S = 120


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_it_and_the_second_does_not_end_the_taking_down(number: signal.Signals) -> None:
    """A terminal that is closed sends two: one by the shell and one by the kernel."""
    taken_down = []

    def work() -> None:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
            taken_down.append("whole")

    with pytest.raises(SystemExit) as ended, ending_tidily():
        work()
    assert (ended.value.code, taken_down) == (128 + number, ["whole"])
    assert signal.getsignal(number) is signal.SIG_DFL


def test_what_is_ignored_stays_so() -> None:
    """`nohup inf2lab drill` was ended by the terminal it was to outlive."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_tidily():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_of_the_main_thread_it_is_nothing() -> None:
    entered = []

    def enter() -> None:
        with ending_tidily():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.SIG_DFL]


@contextmanager
def answering(come: Semaphore) -> Iterator[int]:
    """Answer requests on a port, and release `come` once for each."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            come.release()
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, format: str, *args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...  # whoever asked has gone

    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("number", "whole_group", "code"),
    [
        pytest.param(signal.SIGTERM, False, 143, id="SIGTERM"),
        pytest.param(signal.SIGHUP, False, 129, id="SIGHUP"),
        pytest.param(signal.SIGINT, True, 130, id="Ctrl-C"),
        pytest.param(signal.SIGKILL, False, -9, id="SIGKILL"),
    ],
)
def test_no_sender_of_a_load_outlives_it(number: signal.Signals, whole_group: bool, code: int, tmp_path: Path) -> None:
    """Told to end it left its senders at work on the endpoint, until each ended in a traceback."""
    come = Semaphore(0)
    with answering(come) as port:
        words = ["load", "--url", f"http://127.0.0.1:{port}", "--kind", "raw", "--seconds", "600", "--processes", "2"]
        process = subprocess.Popen(
            [sys.executable, "-m", "inf2lab.cli", *words, "--clients", "2"],
            env={**os.environ, "INF2LAB_LOGS": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            for _ in range(20):
                assert come.acquire(timeout=PATIENCE_S)
            senders = psutil.Process(process.pid).children()
            assert len(senders) == 2
            (os.killpg if whole_group else os.kill)(process.pid, number)
            _, complained = process.communicate(timeout=PATIENCE_S)
            assert psutil.wait_procs(senders, timeout=PATIENCE_S)[1] == []
        finally:
            process.kill()
            process.wait()
    assert (process.returncode, complained) == (code, "")
