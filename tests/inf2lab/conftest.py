"""What the tests of inf2lab share: logs of their own, empty clones, model folders, processes that end with the test."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from inf2lab import ModelFolder, write_properties

# Answers a request with its own text; loads at once, and needs nothing but DJL's worker.
ECHO = """\
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    return Output().add_as_json({"outputs": inputs.get_as_json()["text"]})
"""

NUMBERS = itertools.count()
StartProcess = Callable[..., psutil.Process]
WriteFolder = Callable[..., ModelFolder]
Listen = Callable[[type[BaseHTTPRequestHandler]], ThreadingHTTPServer]


@pytest.fixture(scope="session")
def all_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all tests' logs: most tests write none, and a temporary folder costs more than such a test."""
    return tmp_path_factory.mktemp("logs").resolve()


@pytest.fixture(autouse=True)
def logs(all_logs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """INF2LAB_LOGS: state files and logs of this test only, so that no test sees another's servers."""
    folder = all_logs / str(next(NUMBERS)) / "logs"
    monkeypatch.setenv("INF2LAB_LOGS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """INF2LAB_CACHE: an empty cache."""
    folder = (tmp_path / "cache").resolve()
    monkeypatch.setenv("INF2LAB_CACHE", str(folder))
    return folder


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """INF2LAB_ROOT: a clone with the folders that make it one and nothing in them."""
    folder = (tmp_path / "clone").resolve()
    for name in ("notebooks", "lib/inf2lab", "models"):
        (folder / name).mkdir(parents=True)
    monkeypatch.setenv("INF2LAB_ROOT", str(folder))
    return folder


@pytest.fixture
def write_folder(tmp_path: Path) -> WriteFolder:
    """A function that writes a model folder: `write_folder("echo", {"engine": "Python"}, handler=ECHO)`."""

    def write(name: str, properties: Mapping[str, object] | None = None, *, handler: str | None = None) -> ModelFolder:
        path = (tmp_path / "store").resolve() / name
        path.mkdir(parents=True)
        if properties is not None:
            write_properties(path / "serving.properties", properties)
        if handler is not None:
            (path / "model.py").write_text(handler)
        return ModelFolder(path)

    return write


@pytest.fixture
def echo(write_folder: WriteFolder) -> ModelFolder:
    """A model folder whose handler answers with the request's own texts."""
    return write_folder("echo", {"engine": "Python"}, handler=ECHO)


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """A function that starts a Python process and waits for its first line; ends with the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str = "", *, environment: Mapping[str, str] | None = None) -> psutil.Process:
        program = f"import signal, subprocess, sys, time\n{code}\nprint('up', flush=True)\ntime.sleep(60)"
        child = subprocess.Popen(
            [sys.executable, "-c", program], env=os.environ | dict(environment or {}), stdout=subprocess.PIPE, text=True
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        return psutil.Process(child.pid)

    yield start
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


@pytest.fixture
def listen() -> Iterator[Listen]:
    """A function that lets a handler answer on a free port of 127.0.0.1 until the test is over."""
    started = []

    def start(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()
