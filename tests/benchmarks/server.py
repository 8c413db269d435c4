"""What the rehearsal server adds to a request, beside another server in the same run; by hand, on a quiet machine.

    python tests/benchmarks/server.py [--against CLONE] [--rounds 3] [--requests 2000] [--golden FOLDER]

One model that echoes, one worker. The other is the rehearsal of another clone, or with DJL_SERVING_HOME set
(CONTRIBUTING.md) the JVM. In each round every figure is taken of both, one right after the other, and the one that was
first is second in the next round: so other work on the machine hurts both alike. Each figure is the median of the
rounds, the ratio the median of each round's own ratio, with the quarter of the rounds below and above it. "CPU" is
processor time of the server and its worker together, which other work changes least: for that, many short rounds, as
`--rounds 15 --requests 400`. Without another server the figures recorded from the JVM stand beside them, where --golden
has them; they come from another run, so no ratio is formed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "rehearsal" / "server" / "golden"
MODEL = {
    "serving.properties": "engine=Python\noption.entryPoint=model.py\nminWorkers=1\nmaxWorkers=1\n",
    "model.py": "from djl_python import Output\n\n\ndef handle(inputs):\n    if inputs.is_empty():\n"
    "        return None\n    return Output().add_as_json(inputs.get_as_json())\n",
}
BODY = json.dumps({"text": ["Hello, I'm a language model,", "Welcome to Amazon Elastic"], "seq_length": 2048}).encode()
MEGABYTE = json.dumps(["y" * 1_000_000]).encode()
JVM = "-Xmx1g -Xms1g -Xss2m -XX:+ExitOnOutOfMemoryError"  # as in the containers
MEGABYTES = 60  # requests of a round with a body of 1 MB
Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Kind:
    """A server to measure: how it is started on a store and a port, in an environment of its own."""

    name: str
    command: Callable[[Path, int], list[str]]
    environment: dict[str, str]


def kinds(work: Path, against: Path | None) -> list[Kind]:
    """The rehearsal, and what it is measured beside: another clone, or the JVM where there is one."""
    common = {"OMP_NUM_THREADS": "1", "TMPDIR": str(work), "PYTHON_EXECUTABLE": sys.executable}
    common |= {"PYTHONPYCACHEPREFIX": str(work / "compiled")}  # as where it is installed: compiled once

    def rehearsal(name: str, clone: Path) -> Kind:
        program = [sys.executable, "-m", "rehearsal.server"]
        environment = common | {"PYTHONPATH": str(clone / "lib")}
        return Kind(name, lambda store, port: [*program, "-s", str(store), "--port", str(port)], environment)

    found = [rehearsal("rehearsal", ROOT)]
    home = os.environ.get("DJL_SERVING_HOME")
    if against is not None:
        found.append(rehearsal(str(against), against.resolve()))
    elif home:

        def command(store: Path, port: int) -> list[str]:
            config = work / "config.properties"
            address = f"http://127.0.0.1:{port}"
            config.write_text(f"inference_address={address}\nmanagement_address={address}\nmodel_store={store}\n")
            return [str(Path(home).expanduser() / "bin" / "serving"), "-f", str(config)]

        java = {"JAVA_OPTS": f"{JVM} -Djava.io.tmpdir={work}", "MODEL_SERVER_HOME": str(work)}
        found.append(Kind("JVM", command, common | java | {"DJL_CACHE_DIR": str(work / "djl")}))
    return found


class Client(asyncio.Protocol):
    """Asks the same thing over and over on one connection, and notes how long each answer took."""

    def __init__(self, request: bytes, number: int, times: list[float]) -> None:
        self.request, self.left, self.times = request, number, times
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.wanted:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 200 "):
                self.done.set_exception(RuntimeError(bytes(self.buffer[:300])))
                return
            start = self.buffer.index(b"content-length: ") + 16
            self.wanted = head + 4 + int(self.buffer[start : self.buffer.index(b"\r", start)])
        if len(self.buffer) == self.wanted:
            self.times.append(time.perf_counter() - self.began)
            self.left -= 1
            if self.left:
                self._ask()
            else:
                self.transport.close()
                self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or RuntimeError("the server closed the connection"))

    def _ask(self) -> None:
        self.buffer, self.wanted = bytearray(), 0
        self.began = time.perf_counter()
        self.transport.write(self.request)


def ask(port: int, request: bytes, *, clients: int, number: int) -> tuple[float, float]:
    """Median milliseconds and requests a second of `number` requests over `clients` connections."""

    async def run() -> tuple[float, float]:
        loop, times = asyncio.get_running_loop(), []
        began = time.perf_counter()
        made = [
            (await loop.create_connection(lambda: Client(request, number // clients, times), "127.0.0.1", port))[1]
            for _ in range(clients)
        ]
        await asyncio.gather(*(client.done for client in made))
        return statistics.median(times) * 1000, len(times) / (time.perf_counter() - began)

    return asyncio.run(run())


def post(path: str, body: bytes) -> bytes:
    """The bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def start(kind: Kind, store: Path) -> tuple[psutil.Popen, int, float]:
    """A server, its port, and the seconds until the port was open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    unset = ("SERVING_", "OPTION_", "MODEL_SERVER_", "PYTHONDONTWRITEBYTECODE")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(unset)}
    command = kind.command(store, port)
    began = time.perf_counter()
    process = psutil.Popen(command, env=clean | kind.environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    while process.poll() is None and time.perf_counter() - began < 120:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process, port, time.perf_counter() - began
        except OSError:
            time.sleep(0.005)
    if process.poll() is None:
        process.kill()
    raise SystemExit(f"{kind.name} did not start: {' '.join(command)}")


def cpu_s(process: psutil.Process) -> float:
    """Processor seconds of a server and its workers so far; where the kernel tells it, to the nanosecond."""
    spent = 0.0
    for one in [process, *process.children(recursive=True)]:
        told = list(Path(f"/proc/{one.pid}/task").glob("*/schedstat"))
        spent += sum(int(path.read_text().split()[0]) for path in told) / 1e9 if told else sum(one.cpu_times()[:2])
    return spent


QUESTIONS: dict[str, tuple[bytes, int]] = {
    "echo, 1 client": (post("/predictions/echo", BODY), 1),
    "echo, 8 clients": (post("/predictions/echo", BODY), 8),
    "ping": (b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "1 MB": (post("/predictions/echo", MEGABYTE), 1),
}


class Measured:
    """A running server that is asked one question after the other."""

    def __init__(self, kind: Kind, store: Path) -> None:
        self.process, self._port, seconds = start(kind, store)
        self.figures = {"start, s": seconds, "start, CPU s": cpu_s(self.process)}
        self._note_memory("idle")

    def ask(self, name: str, requests: int, *, warm: bool = False) -> None:
        """Asks a question so often, and notes median, rate and processor time."""
        request, clients = QUESTIONS[name]
        number = min(requests, MEGABYTES) if len(request) > 1e6 else requests
        before = cpu_s(self.process)
        p50, rate = ask(self._port, request, clients=clients, number=number)
        if not warm:
            spent = (cpu_s(self.process) - before) / (number // clients * clients)
            self.figures |= {f"{name}: p50, ms": p50, f"{name}: CPU, ms": spent * 1000, f"{name}: a second": rate}

    def end(self) -> None:
        """Stops the server."""
        self._note_memory("after")
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def _note_memory(self, when: str) -> None:
        self.figures[f"memory {when}, MB"] = self.process.memory_info().rss / 1e6


def measure(compared: list[Kind], store: Path, requests: int) -> dict[str, dict[str, float]]:
    """One round: a start, a warm-up, and every figure once, of each kind in turn."""
    with contextlib.ExitStack() as ends:
        running = {}
        for kind in compared:
            running[kind.name] = Measured(kind, store)
            ends.callback(running[kind.name].end)
        for warm in (True, False):  # the JVM compiles while it is warmed up
            for name in QUESTIONS:
                for server in running.values():
                    server.ask(name, requests, warm=warm)
    return {name: server.figures for name, server in running.items()}


ECHOES = {"echo, 1 client": "echo_c1", "echo, 8 clients": "echo_c8"}  # as the recordings name them


def recorded(golden: Path) -> dict[str, float]:
    """The JVM's figures of the recordings; empty where they are not."""
    path = golden / "overhead.json"
    if not path.is_file():
        return {}
    told = json.loads(path.read_text())["echo-1worker"]
    middle = statistics.median
    return {
        "start, s": middle(told["start_to_port_open_s"]),
        "memory idle, MB": told["rss_jvm_idle_mb"],
        "memory after, MB": told["rss_jvm_after_mb"],
        "ping: p50, ms": told["ping_c1"]["p50"],
        "1 MB: p50, ms": told["echo_1MB_c1"]["p50"],
        **{f"{name}: p50, ms": middle([run["p50"] for run in told[key]]) for name, key in ECHOES.items()},
        **{f"{name}: a second": middle([run["rps"] for run in told[key]]) for name, key in ECHOES.items()},
    }


def lines(ours: Figures, other: Figures, known: dict[str, float]) -> Iterator[str]:
    """The table's lines: ours, theirs, and the ratio of the two in the same round with its quarters."""
    for figure, values in ours.items():
        line = f"{figure:28s}{statistics.median(values):12.2f}"
        if not other:
            yield line + (f"{known[figure]:16.2f}" if figure in known else "")
            continue
        ratios = [mine / theirs for mine, theirs in zip(values, other[figure], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        yield f"{line}{statistics.median(other[figure]):16.2f}{middle:8.3f}   {low:.3f} to {high:.3f}"


def main(argv: list[str] | None = None) -> int:
    """Prints a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="CLONE", help="another clone, to measure its rehearsal beside")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--golden", type=Path, default=GOLDEN)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        store = Path(name) / "store"
        (store / "echo").mkdir(parents=True)
        for file, text in MODEL.items():
            (store / "echo" / file).write_text(text)
        compared = kinds(Path(name), args.against)
        found: dict[str, Figures] = {kind.name: {} for kind in compared}
        measure(compared, store, 8)  # whoever starts first compiles, and reads from the disk
        for number in range(args.rounds):
            for server, figures in measure(compared[:: -1 if number % 2 else 1], store, args.requests).items():
                for figure, value in figures.items():
                    found[server].setdefault(figure, []).append(value)
    ours, *others = found.items()
    beside, other = others[0] if others else ("JVM, recorded", {})
    print(f"{'':28s}{ours[0]:>12s}{beside[-15:]:>16s}{'ratio' if other else '':>8s}")
    print(*lines(ours[1], other, {} if other else recorded(args.golden)), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
