"""How much load the generator makes, and whether its percentiles are wrk's; run it by hand on a quiet machine.

    python tests/benchmarks/load.py [--seconds N] [--rounds N] [--check]

Both tools post the same body to the same echo server, with the same number of connections, in turns. First the server
answers at once: requests a second. Then it answers after a time drawn from a distribution, so that it is the server
that decides the load (about 5,000 a second) and the latencies: percentiles side by side. wrk is a Debian package.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from inf2lab import measure

BODY = b'["Hello, I am a language model,"]'
CLIENTS = 64
QUANTILES = {"50%": 0.5, "75%": 0.75, "90%": 0.9, "99%": 0.99}
WANTED_PER_S, WANTED_DIFFERENCE = 5000, 0.10
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class Echo(asyncio.Protocol):
    """Answers each POST with its own body, after a delay in seconds (a median of it, log-normal) or at once."""

    delay, rng = 0.0, random.Random(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            found = re.search(rb"(?i)content-length: *(\d+)", self.rest[:end])
            whole = end + 4 + int(found[1] if found else 0)
            if len(self.rest) < whole:
                return
            body, self.rest = self.rest[end + 4 : whole], self.rest[whole:]
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            if self.delay:
                wait = self.rng.lognormvariate(0, 0.35) * self.delay
                asyncio.get_running_loop().call_later(wait, self.transport.write, answer)
            else:
                self.transport.write(answer)


async def serve(delay: float) -> None:
    """Listen on a free port, print it, and answer until the process is ended."""
    Echo.delay = delay
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Server:
    """An echo server in a process of its own, for a `with` block."""

    def __init__(self, delay: float) -> None:
        self.delay = delay

    def __enter__(self) -> str:
        command = [sys.executable, __file__, "--serve", str(self.delay)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return f"http://127.0.0.1:{int(self.process.stdout.readline())}/"

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()


def by_wrk(url: str, seconds: float) -> tuple[float, dict[str, float]]:
    """Requests a second and percentiles in ms, as wrk prints them."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method='POST'\nwrk.body='{BODY.decode()}'\nwrk.headers['Content-Type']='application/json'\n")
        script.flush()
        command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds:g}s", "--latency", "-s", script.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^ +(\d\d%) +([\d.]+)(us|ms|s)$", text, flags=re.M)
    rate = re.search(r"Requests/sec: +([\d.]+)", text)
    assert rate, text
    return float(rate[1]), {share: float(value) * UNITS[unit] for share, value, unit in found}


def by_us(url: str, seconds: float, **more: object) -> measure.Result:
    """The same load by the generator."""
    target = measure.Target(url=url, kind="raw")
    return measure.run(target, measure.Load(**({"clients": CLIENTS, "seconds": seconds, "warm_up": CLIENTS} | more)))


def main() -> int:
    """Returns 1 with --check when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each run")
    parser.add_argument("--rounds", type=int, default=5, help="of each tool; medians are compared")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a bound is missed")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(options.serve))
        return 0
    if not shutil.which("wrk"):
        print("wrk is not installed: apt-get install wrk", file=sys.stderr)
        return 2
    print(f"{os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.1f}, {CLIENTS} connections\n")
    fast = throughput(options.seconds)
    worst = agreement(options.seconds, options.rounds)
    good = fast >= WANTED_PER_S and worst <= WANTED_DIFFERENCE
    print(f"\n{fast:.0f} requests a second (wanted {WANTED_PER_S}); percentiles differ by at most {worst:.1%}")
    return 0 if good or not options.check else 1


def throughput(seconds: float) -> float:
    """Print what the generator sends to a server that answers at once; returns the best closed loop's rate."""
    rates = []
    with Server(0) as url:
        for processes in (1, 2):
            result = by_us(url, seconds, processes=processes)
            rates.append(result.requests_per_s)
            print(f"closed loop, {processes} process(es): {rates[-1]:8.0f} requests/s, {len(result.rows)} in all")
        for processes in (1, 2):
            result = by_us(url, seconds, rate=WANTED_PER_S, processes=processes)
            late = result.late.at(0.99) or 0
            print(
                f"open loop, {processes} process(es): {result.requests_per_s:8.0f} requests/s of {WANTED_PER_S} asked "
                f"for, p50 {result.latency.at(0.5):.2f} ms, p99 {result.latency.at(0.99):.2f} ms, 99 % sent within "
                f"{late:.2f} ms of their time"
            )
        print(f"wrk:                     {by_wrk(url, seconds)[0]:8.0f} requests/s\n")
    return max(rates)


def agreement(seconds: float, rounds: int) -> float:
    """Print both tools' percentiles against a server that takes its time; returns the largest difference."""
    theirs: list[dict[str, float]] = []
    ours: list[dict[str, float]] = []
    rates: dict[str, list[float]] = {"wrk": [], "inf2lab": []}
    with Server(0.0115) as url:
        by_wrk(url, 1)
        for _ in range(rounds):
            rate, found = by_wrk(url, seconds)
            rates["wrk"].append(rate)
            theirs.append(found)
            time.sleep(0.2)
            result = by_us(url, seconds)
            rates["inf2lab"].append(result.requests_per_s)
            ours.append({share: result.latency.at(quantile) or 0 for share, quantile in QUANTILES.items()})
            time.sleep(0.2)
    print(f"{'':10}{'wrk':>10}{'inf2lab':>10}{'difference':>12}   medians of {rounds} rounds in turns")
    a, b = statistics.median(rates["wrk"]), statistics.median(rates["inf2lab"])
    print(f"{'requests/s':10}{a:10.0f}{b:10.0f}{b / a - 1:12.1%}")
    worst = 0.0
    for share in QUANTILES:
        a = statistics.median(one[share] for one in theirs)
        b = statistics.median(one[share] for one in ours)
        worst = max(worst, abs(b / a - 1))
        print(f"{share:10}{a:7.2f} ms{b:7.2f} ms{b / a - 1:12.1%}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
