"""What a handler starts in a session of its own: it neither holds up an answer nor outlives the worker."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="not found elsewhere")
LEAVES = """
import os, subprocess, sys, time
SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
def handle(inputs):
    if inputs.is_empty():
        return None
    kind = inputs.get_as_json()
    if "daemon" in kind:
        daemon()
    if "session" in kind:
        subprocess.Popen(SLEEPS, start_new_session=True)
    if "die" in kind:
        os._exit(3)
    return Output().add_as_json({"pid": os.getpid()})
"""


@pytest.fixture(scope="module")
def server(module_start, model, tmp_path_factory):
    store = tmp_path_factory.mktemp("leavings") / "s"
    properties = "engine=Python\nminWorkers=1\nmaxWorkers=1\noption.predict_timeout=3600\n"
    model(store, "m", LEAVES, properties)
    model(store, "other", LEAVES, properties)
    return module_start(store, env={"PYTHON_EXECUTABLE": sys.executable})  # its own child, as for everybody


def family(pid):
    """A worker and all that it has started."""
    mark = next(pair for pair in environment(pid) if pair.startswith(b"REHEARSAL_WORKER="))
    return [other for other in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in environment(other)]


def environment(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


@linux
@pytest.mark.parametrize("kind", ["daemon", "session", "daemon and session"])
def test_it_holds_up_no_answer_and_ends_with_its_worker(server, gone, kind):
    bystander = server.predict("other", "session").json()["pid"]
    worker = server.predict("m", kind).json()["pid"]
    left = family(worker)
    assert len(left) > 1
    assert server.predict("m", "die").status == 503  # a daemon holds the worker's socket, and would for ten minutes
    assert server.predict("m", "").json()["pid"] != worker
    assert gone(left)
    assert len(family(bystander)) > 1, "what a living worker started is its own"


@linux
def test_nothing_outlives_the_server(server, gone):
    left = family(server.predict("m", "daemon and session").json()["pid"])
    assert len(left) == 4
    assert server.stop(signal.SIGTERM) == 143
    assert gone(left)
