"""Model stores written for a test, real server processes on free ports, and a client that shows every byte."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inf2lab.weights import standins

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 120  # for what comes in any case, however slow the machine: only a failure waits so long
LINGER_S = 0.05  # how long a connection that should stay open is watched
MODEL = "from djl_python import Input, Output\n"
ECHO = """
def handle(inputs):
    if inputs.is_empty():
        return None
    return Output().add_as_json(inputs.get_as_json())
"""

numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `after` is "open", "reset" or "closed"."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    after: str = "open"

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class RunningServer:
    """A server process, what it logged so far, and a client for it."""

    process: subprocess.Popen[str]
    store: Path
    log: list[str] = field(default_factory=list)
    port: int = 0
    _grew: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None
    _is_whole: bool = False  # the log

    def start_reading(self) -> None:
        """Collects log lines, until the process's output ends."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grew:
                self.log.append(line.rstrip("\n"))
                self._grew.notify_all()
        with self._grew:
            self._is_whole = True
            self._grew.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first log line that matches, waiting for it."""
        deadline, seen = time.monotonic() + PATIENCE_S, 0
        with self._grew:
            while True:
                whole = self._is_whole  # before looking, so that the last lines are seen
                for line in self.log[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(self.log)
                if whole or time.monotonic() > deadline:
                    raise AssertionError(f"no line matches {pattern!r} in:\n" + "\n".join(self.log))
                self._grew.wait(1)

    def ended(self) -> int:
        """The exit code, once the process has ended and its log is whole."""
        code = self.process.wait(PATIENCE_S)
        assert self._reader is not None
        self._reader.join(PATIENCE_S)
        return code

    def queued(self, name: str) -> int:
        """How many requests wait for a model."""
        return self.send("GET", f"/models/{name}").json()[0]["models"][0]["requestInQueue"]

    def wait_for_queue(self, name: str, length: int) -> None:
        """Waits until so many requests wait for a model."""
        deadline = time.monotonic() + PATIENCE_S
        while self.queued(name) != length:
            assert time.monotonic() < deadline, f"{name}: {self.queued(name)} are queued, not {length}"
            time.sleep(0.01)

    def open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def send(self, method: str, path: str, body: bytes | object = b"", **headers: str) -> Answer:
        """Sends one request on its own connection; headers are given with `_` for `-`."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, f"Content-Length: {len(body)}", "", ""])
        return self.raw(head.encode() + body, head_only=method == "HEAD")

    def raw(self, data: bytes, *, head_only: bool = False, ends: bool = False) -> Answer:
        """Sends bytes and reads one answer; `ends` waits for the connection's end even if no header announces it."""
        with self.open() as client:
            client.sendall(data)
            return read_answer(client, head_only=head_only, ends=ends)

    def predict(self, name: str, body: bytes | object = b"{}", **headers: str) -> Answer:
        return self.send("POST", f"/predictions/{name}", body, **{"Content_Type": "application/json", **headers})

    def workers(self) -> list[int]:
        """Process ids of all workers ever started, from the log."""
        return [int(m[1]) for line in self.log if (m := re.search(r"W-(\d+)-.*engine started with args", line))]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal to this server's own process, and waits for its end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def read_answer(client: socket.socket, *, head_only: bool = False, ends: bool = False) -> Answer:
    """One answer from a connection, and what became of the connection."""
    stream = client.makefile("rb")
    _, status, reason = stream.readline().decode("latin-1").rstrip("\r\n").split(" ", 2)
    headers = []
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(": ")
        headers.append((name, value))
    names = {name.lower(): value for name, value in headers}
    if head_only:
        body = b""
    elif "transfer-encoding" in names:
        body = b""
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
    else:
        body = stream.read(int(names.get("content-length", "0")))
    after = "open"
    ends = ends or names.get("connection") == "close"
    client.settimeout(PATIENCE_S if ends else LINGER_S)
    try:
        if client.recv(1) == b"":
            after = "closed"
    except TimeoutError:
        pass
    except ConnectionResetError:
        after = "reset"
    return Answer(int(status), reason, headers, body, after)


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone_within(pids: list[int], seconds: float) -> bool:
    """Whether all processes end in time."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def write_model(store: Path, name: str, code: str | None = ECHO, properties: str = "engine=Python\n") -> Path:
    """A model folder; `code` None leaves model.py out."""
    folder = store / name
    folder.mkdir(parents=True)
    (folder / "serving.properties").write_text(textwrap.dedent(properties))
    if code is not None:
        (folder / "model.py").write_text(MODEL + textwrap.dedent(code))
    return folder


def launch(store: Path, *flags: str, env: dict[str, str] | None = None) -> RunningServer:
    """Starts a server on a free port, without waiting for it."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SERVING_", "OPTION_", "MODEL_SERVER_"))}
    environ |= {"PYTHONPATH": str(ROOT / "lib"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    environ |= standins.worker_environment() | (env or {})  # as the laboratory starts it: else a worker is not warm
    command = [sys.executable, "-m", "rehearsal.server", "--model-store", str(store), "--port", "0", *flags]
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=store.parent
    )
    server = RunningServer(process, store)
    server.start_reading()
    return server


def ready(server: RunningServer) -> RunningServer:
    """The server, once its port is open."""
    server.port = int(server.wait_for(r"(?:BOTH|INFERENCE) API bind to: http://127\.0\.0\.1:(\d+)")[1])
    return server


def end(server: RunningServer) -> None:
    server.stop(signal.SIGKILL)
    assert gone_within(server.workers(), PATIENCE_S), "workers outlived their server"
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.fixture
def start() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers that end with the test: `start(store, *flags, env=..., wait=True)`."""
    servers: list[RunningServer] = []

    def starter(store: Path, *flags: str, env: dict[str, str] | None = None, wait: bool = True) -> RunningServer:
        servers.append(launch(store, *flags, env=env))
        return ready(servers[-1]) if wait else servers[-1]

    yield starter
    for server in servers:
        end(server)


@pytest.fixture(scope="module")
def module_start() -> Iterator[Callable[..., RunningServer]]:
    """As `start`, for servers that end with the module."""
    servers: list[RunningServer] = []

    def starter(store: Path, *flags: str, env: dict[str, str] | None = None) -> RunningServer:
        servers.append(launch(store, *flags, env=env))
        return ready(servers[-1])

    yield starter
    for server in servers:
        end(server)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests that bring a model of their own, with `serve`, and leave the server as it was."""
    store = tmp_path_factory.mktemp("shared") / "store"
    store.mkdir()
    server = ready(launch(store, "--allow-any-url"))
    yield server
    end(server)


@pytest.fixture
def serve(shared: RunningServer, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Loads a model into the shared server until the test ends, and returns its name: `serve(code, properties)`."""
    names: list[str] = []

    def load(code: str, properties: str) -> str:
        names.append(f"m{next(numbers)}")
        folder = write_model(tmp_path, names[-1], code, properties)
        answer = shared.send("POST", f"/models?url=file://{folder}&model_name={names[-1]}")
        assert answer.status == 200, answer.body
        return names[-1]

    yield load
    for name in names:
        shared.send("DELETE", f"/models/{name}")


class Gate:
    """A handler that says `begins` in the log, and waits until the test lets it go on; `crash` ends its process."""

    code = """
    import os, time
    def handle(inputs):
        if inputs.is_empty():
            return None
        d = inputs.get_as_json()
        print("begins", d.get("n", ""), flush=True)
        if d.get("crash"):
            os._exit(d["crash"])
        while "until" in d and not os.path.exists(d["until"]):
            time.sleep(0.005)
        return Output().add_as_json({"pid": os.getpid(), "n": d.get("n")})
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def held(self, **more: object) -> dict[str, object]:
        """A request that is not answered before the gate is open."""
        return {"until": str(self._path), **more}

    def open(self) -> None:
        """Lets the requests go on."""
        self._path.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate that is open at the latest when the test ends."""
    made = Gate(tmp_path / "gate")
    yield made
    made.open()


@pytest.fixture
def background(gate: Gate) -> Iterator[Callable[..., Future[Answer]]]:
    """Starts a request that the test does not wait for: `background(server.predict, name, body)`."""
    with ThreadPoolExecutor(16) as pool:
        yield pool.submit
        gate.open()  # before the pool waits for its threads


@pytest.fixture
def gone() -> Callable[[list[int]], bool]:
    """Tells whether all of some processes end."""
    return lambda pids: gone_within(pids, PATIENCE_S)


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Tells whether a process runs."""
    return is_alive


@pytest.fixture(scope="session")
def model() -> Callable[..., Path]:
    """Writes a model folder: `model(store, name, code, properties)`."""
    return write_model


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests that only ask: echo, text-list, inspect, fails, props, stream."""
    store = tmp_path_factory.mktemp("zoo") / "store"
    one = "engine=Python\noption.entryPoint=model.py\nminWorkers=1\nmaxWorkers=1\n"
    write_model(store, "echo", properties=one)
    write_model(store, "text-list", TEXT_LIST, one + "option.tensor_parallel_degree=2\n")
    write_model(store, "inspect", INSPECT, one + "option.dtype=fp16\nfoo=bar\noption.env=MY_A=1,MY_B=2\n")
    write_model(store, "fails", FAILS, one)
    write_model(store, "props", PROPS, one)
    write_model(store, "stream", STREAM, one)
    server = ready(launch(store))
    yield server
    end(server)


TEXT_LIST = """
def handle(inputs):
    if inputs.is_empty():
        return None
    data = inputs.get_as_json()
    n = data["seq_length"]
    return Output().add([p + f" <{n}>" for p in data["text"]])
"""
INSPECT = """
import os, sys
first = None
def handle(inputs):
    global first
    if first is None:
        first = dict(inputs.get_properties())
    if inputs.is_empty():
        return None
    c = inputs.get_content()
    return Output().add_property("content-type", "application/json").add_as_json({
        "init": first, "properties": dict(inputs.get_properties()),
        "content": [[c.key_at(i), bytes(c.value_at(i)).decode("utf-8", "replace")] for i in range(c.size())],
        "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path[:6], "env": dict(os.environ), "pid": os.getpid()})
"""
FAILS = """
def handle(inputs):
    if inputs.is_empty():
        return None
    kind = inputs.get_as_json()["kind"]
    if kind == "raise":
        raise ValueError("boom: bad value")
    if kind == "dict":
        return {"a": 1}
    if kind == "none":
        return None
    if kind == "oom":
        raise MemoryError("ran out")
    if kind == "error":
        return Output().error("my error text", code=418, message="my message")
    return Output(code=kind["code"], message=kind["message"]).add("body here")
"""
PROPS = """
def handle(inputs):
    if inputs.is_empty():
        return None
    d = inputs.get_as_json()
    out = Output()
    for key, value in d.get("headers", {}).items():
        out.add_property(key, value)
    for value in d.get("contents", []):
        out.add(value)
    return out
"""
STREAM = """
import time
def items(n, delay, fail_at):
    for i in range(n):
        if i == fail_at:
            raise ValueError("stream broke")
        time.sleep(delay)
        yield f"tok{i} "
def handle(inputs):
    if inputs.is_empty():
        return None
    d = inputs.get_as_json()
    return Output().add_stream_content(items(d["n"], d.get("delay", 0), d.get("fail_at")))
"""
