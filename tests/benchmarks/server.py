"""What the rehearsal server adds to a request, beside DJLServing's JVM in the same run; by hand, on a quiet machine.

    python tests/benchmarks/server.py [--rounds 3] [--requests 2000] [--golden FOLDER]

One model that echoes, one worker. With DJL_SERVING_HOME set (CONTRIBUTING.md) the JVM is measured too, the two in
turns, and each line ends in the ratio. Without it the figures recorded from the JVM stand beside them, where --golden
has them; they come from another run, so no ratio is formed. Each figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Kind:
    """A server to measure: how it is started on a store and a port, in an environment of its own."""

    name: str
    command: Callable[[Path, int], list[str]]
    environment: dict[str, str]


def kinds(work: Path) -> list[Kind]:
    """The rehearsal, and the JVM where there is one."""
    common = {"OMP_NUM_THREADS": "1", "TMPDIR": str(work), "PYTHON_EXECUTABLE": sys.executable}
    found = [
        Kind(
            "rehearsal",
            lambda store, port: [sys.executable, "-m", "rehearsal.server", "-s", str(store), "--port", str(port)],
            common | {"PYTHONPATH": str(ROOT / "lib")},
        )
    ]
    home = os.environ.get("DJL_SERVING_HOME")
    if home:

        def command(store: Path, port: int) -> list[str]:
            config = work / "config.properties"
            address = f"http://127.0.0.1:{port}"
            config.write_text(f"inference_address={address}\nmanagement_address={address}\nmodel_store={store}\n")
            return [str(Path(home).expanduser() / "bin" / "serving"), "-f", str(config)]

        java = {"JAVA_OPTS": f"{JVM} -Djava.io.tmpdir={work}", "MODEL_SERVER_HOME": str(work)}
        found.append(Kind("djl", command, common | java | {"DJL_CACHE_DIR": str(work / "djl")}))
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
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SERVING_", "OPTION_", "MODEL_SERVER_"))}
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


def measure(kind: Kind, store: Path, requests: int) -> dict[str, float]:
    """One round: a start, a warm-up, and every figure once."""
    process, port, seconds = start(kind, store)
    try:
        echo = post("/predictions/echo", BODY)
        figures = {"start, s": seconds, "memory idle, MB": process.memory_info().rss / 1e6}
        ask(port, echo, clients=1, number=requests)  # the JVM compiles while it is warmed up
        ask(port, echo, clients=8, number=requests)
        for clients in (1, 8):
            p50, rate = ask(port, echo, clients=clients, number=requests)
            figures |= {f"echo p50, {clients} clients, ms": p50, f"echo a second, {clients} clients": rate}
        figures["ping p50, ms"] = ask(port, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", clients=1, number=requests)[0]
        figures["1 MB p50, ms"] = ask(port, post("/predictions/echo", MEGABYTE), clients=1, number=100)[0]
        figures["memory after, MB"] = process.memory_info().rss / 1e6
        return figures
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


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
        "ping p50, ms": told["ping_c1"]["p50"],
        "1 MB p50, ms": told["echo_1MB_c1"]["p50"],
        **{f"echo p50, {n} clients, ms": middle([run["p50"] for run in told[f"echo_c{n}"]]) for n in (1, 8)},
        **{f"echo a second, {n} clients": middle([run["rps"] for run in told[f"echo_c{n}"]]) for n in (1, 8)},
    }


def main(argv: list[str] | None = None) -> int:
    """Prints a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--golden", type=Path, default=GOLDEN)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        store = Path(name) / "store"
        (store / "echo").mkdir(parents=True)
        for file, text in MODEL.items():
            (store / "echo" / file).write_text(text)
        compared = kinds(Path(name))
        found: dict[str, Figures] = {kind.name: {} for kind in compared}
        for _ in range(args.rounds):
            for kind in compared:
                for figure, value in measure(kind, store, args.requests).items():
                    found[kind.name].setdefault(figure, []).append(value)
    ours = {figure: statistics.median(values) for figure, values in found["rehearsal"].items()}
    other = {figure: statistics.median(values) for figure, values in found.get("djl", {}).items()}
    beside = other or recorded(args.golden)
    print(f"{'':28s}{'rehearsal':>12s}{'JVM' if other else 'JVM, recorded':>16s}{'ratio' if other else '':>8s}")
    for figure, value in ours.items():
        theirs = f"{beside[figure]:16.2f}" if figure in beside else ""
        ratio = f"{value / beside[figure]:8.2f}" if other else ""
        print(f"{figure:28s}{value:12.2f}{theirs}{ratio}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
