"""Whether the rehearsal server stays whole under a bad handler for a long time; run it by hand.

    python tests/benchmarks/soak.py [--minutes 30 | --requests N] [--clients 8] [--workers 1] [--crashes 0.001]
                                    [--seed 1]

Each client asks without a pause on its own connection, for so long or so often. The handler fails 5 % of the requests
and ends its own process in 0.1 % (--crashes). A request must get its own echo, the handler's error, or a clean 503;
nothing may be left over at the end, and memory and open files of the server must not grow (memory: at most 5 % after
the first tenth of the run, judged in runs of 5 minutes and more). Prints a line a minute and the sums; exit code 1
names each broken promise.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parents[2]
FAILS = 0.05  # of the requests
GROWTH_LIMIT, JUDGED_FROM_S = 0.05, 300
SAMPLE_S = 2
PATIENCE_S = 120  # for what comes in any case
PROPERTIES = "engine=Python\noption.entryPoint=model.py\nminWorkers={workers}\nmaxWorkers={workers}\n"
HANDLER = '''"""Echoes, fails or dies, as the request asks."""
import os
from djl_python import Output


def handle(inputs):
    if inputs.is_empty():
        return None
    asked = inputs.get_as_json()
    if asked["kind"] == "fail":
        raise ValueError(f"failed on purpose: {asked['n']}")
    if asked["kind"] == "crash":
        os._exit(3)
    return Output().add_as_json(asked)
'''


@dataclass
class Tally:
    """What the clients met."""

    answers: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)  # promises
    slowest_s: float = 0.0


@dataclass(frozen=True)
class Sample:
    """The server at one moment."""

    at_s: float
    rss: int
    files: int
    threads: int


def judge(kind: str, asked: dict[str, object], status: int, body: bytes) -> str:
    """The name of an answer that keeps the contract. Raises ValueError for one that does not."""
    if status == 503:
        error = json.loads(body)
        if error["code"] == 503 and error["type"].startswith("Wlm") and error["message"]:
            return f"503 {error['message'].split(':')[0]}"
    elif kind == "ok" and status == 200 and json.loads(body) == asked:
        return "200"
    elif kind == "fail" and status == 424 and json.loads(body)["error"] == f"failed on purpose: {asked['n']}":
        return "424"
    raise ValueError(f"{kind} was answered with {status} {body[:200]!r}")


@dataclass(frozen=True)
class Plan:
    """How much is asked, and what of it goes wrong."""

    seconds: float
    requests: int | None  # of each client, instead of the time
    crashes: float
    seed: int

    def is_over(self, asked: int, began: float) -> bool:
        """Whether a client that has asked so much is done."""
        return asked >= self.requests if self.requests is not None else time.monotonic() - began >= self.seconds


def client(port: int, plan: Plan, seed: int, began: float, tally: Tally, lock: threading.Lock) -> None:
    """Asks one thing after the other until the plan is done."""
    draw, number = random.Random(seed), 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not plan.is_over(number, began):
        number += 1
        chance = draw.random()
        kind = "crash" if chance < plan.crashes else "fail" if chance < plan.crashes + FAILS else "ok"
        asked: dict[str, object] = {"kind": kind, "n": f"{seed}-{number}", "text": "x" * draw.randrange(200)}
        sent = time.monotonic()
        try:
            connection.request("POST", "/predictions/m", json.dumps(asked), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            name = judge(kind, asked, answer.status, answer.read())
            broken = ""
            if answer.status >= 400:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            name, broken = "broken", f"{kind} {asked['n']}: {error!r}"
            connection.close()
        with lock:
            tally.answers[name] += 1
            tally.slowest_s = max(tally.slowest_s, time.monotonic() - sent)
            if broken:
                tally.broken.append(broken)
    connection.close()


def start(folder: Path, workers: int, output: int | IO[bytes] = subprocess.DEVNULL) -> tuple[psutil.Popen, int]:
    """A server on a free port with one model, ready."""
    model = folder / "store" / "m"
    model.mkdir(parents=True)
    (model / "serving.properties").write_text(PROPERTIES.format(workers=workers))
    (model / "model.py").write_text(HANDLER)
    environ = dict(os.environ) | {"PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "rehearsal.server", "-s", str(model.parent), "--port", "0"]
    process = psutil.Popen(command, env=environ, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return process, connection.laddr.port
        time.sleep(0.05)
    process.kill()
    raise SystemExit("the server did not start")


def soak(process: psutil.Popen, port: int, plan: Plan, clients: int) -> tuple[Tally, list[Sample]]:
    """Runs the clients, and looks at the server meanwhile; ends early when the server does."""
    tally, lock, samples = Tally(), threading.Lock(), []
    began = time.monotonic()
    threads = [
        threading.Thread(target=client, args=(port, plan, plan.seed * 1000 + i, began, tally, lock))
        for i in range(clients)
    ]
    for thread in threads:
        thread.start()
    told = began
    while any(thread.is_alive() for thread in threads) and process.poll() is None:
        threads[0].join(SAMPLE_S)
        now = time.monotonic()
        samples.append(Sample(now - began, process.memory_info().rss, process.num_fds(), process.num_threads()))
        if now - told >= 60:
            told = now
            print(f"{now - began:5.0f} s  {dict(tally.answers)}  {samples[-1].rss / 2**20:.1f} MiB", flush=True)
    for thread in threads:
        thread.join(70)
    if process.poll() is not None:
        tally.broken.append(f"the server ended with {process.returncode}")
    return tally, samples


def at_rest(process: psutil.Popen, workers: int, files: int) -> tuple[int, int]:
    """How many workers and open files there are, once connections are closed and the last replacement is up."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = len(process.children(recursive=True)), process.num_fds()
        if found == (workers, files) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def growth(samples: list[Sample], what: str) -> float:
    """Median of the last tenth of the run over that of the second tenth, less one."""
    tenth = max(1, len(samples) // 10)
    values = [getattr(sample, what) for sample in samples]
    return statistics.median(values[-tenth:]) / statistics.median(values[tenth : 2 * tenth]) - 1


def left_behind(process: psutil.Popen, folder: Path) -> list[str]:
    """Stops the server, and names each process and file of it that is still there."""
    family = process.children(recursive=True)
    process.send_signal(signal.SIGTERM)
    code = process.wait(PATIENCE_S)
    _, alive = psutil.wait_procs(family, PATIENCE_S)
    found = [f"process {worker.pid} outlived its server" for worker in alive]
    found += [f"left over: {path}" for path in folder.glob("inf2lab-djl-*")]
    return found if code == 143 else [*found, f"exit code {code} after SIGTERM, not 143"]


def main(argv: list[str] | None = None) -> int:
    """Prints the figures; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--requests", type=int, help="of each client, instead of --minutes")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--crashes", type=float, default=0.001, help="part of the requests that end the worker")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        process, port = start(folder, args.workers)
        try:
            idle_files = process.num_fds()
            plan = Plan(args.minutes * 60, args.requests, args.crashes, args.seed)
            tally, samples = soak(process, port, plan, args.clients)
            broken = tally.broken
            if process.poll() is None:
                workers, files = at_rest(process, args.workers, idle_files)
                if workers != args.workers:
                    broken.append(f"{workers} workers at the end, not {args.workers}")
                if files > idle_files:
                    broken.append(f"{files} open files when idle again, {idle_files} at the start")
                broken += left_behind(process, folder)
        finally:
            if process.poll() is None:
                process.kill()
    total = sum(tally.answers.values())
    seconds = samples[-1].at_s
    print(f"{total} requests in {seconds:.0f} s, {total / seconds:.0f} a second; slowest {tally.slowest_s:.2f} s")
    for name, count in sorted(tally.answers.items()):
        print(f"  {count:8d}  {name}")
    rss = growth(samples, "rss")
    print(f"memory {samples[-1].rss / 2**20:.1f} MiB, {rss:+.1%}; open files {idle_files} idle, {files} idle after")
    if rss > GROWTH_LIMIT and seconds >= JUDGED_FROM_S:
        broken.append(f"memory grew by {rss:.1%}, the limit is {GROWTH_LIMIT:.0%}")
    for line in broken[:50]:
        print(f"BROKEN {line}")
    print(f"{len(broken)} promises broken")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
