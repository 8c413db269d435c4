"""One recorded scenario: a server started as it was then, and the replay of the records in their order."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.golden.compare import Outcome, compare, compare_logs, differ, mask
from tests.support.golden.http import LINGER_S, Answer, Record, exchange, request_bytes
from tests.support.golden.launch import Launch, Row

SETTLES = re.compile("after-async|later|ready|autoscale-describe")  # what a slower machine shows a little later
PATIENCE_S = 120  # for what comes in any case; only a difference takes all of it
PORT_S = 240  # eleven models on a machine that does other things too
SILENCE_S = 4.0  # a request that the original left without an answer is given up after this time
POLL_S = 0.5
BOUND = re.compile(r"BOTH API bind to: http://127\.0\.0\.1:(\d+)")


class Scenario:
    """A server as the scenario had it, and the replay of the scenario's records in their order."""

    def __init__(self, name: str, row: Row, records: list[Record], golden: Path, work: Path) -> None:
        self.name, self.row, self.records = name, row, records
        self.launch = Launch(row, records, golden, work)
        self.port, self.models = 0, str(self.launch.models)
        self.log: list[str] = []
        self.events: list[str] = []
        self.failed = 0.0
        self.killed: set[int] = set()
        self.seen: Answer | None = None

    def run(self) -> Iterator[Outcome]:
        """Compares all records of the scenario."""
        self.process = self.launch.start()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()
        try:
            if any("events" in r or "exit_code" in r or self.name.startswith("defentry-") for r in self.records):
                yield from self._life()
            else:
                self._await_port()
                yield from self._requests(self.records)
                yield from self._logs([r for r in self.records if r["request"] is None])
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(5)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.launch.close()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := BOUND.search(line):
                self.port = int(match[1])
            self.log.append(line.rstrip("\n").replace(self.models, "${MODELS}"))

    def _await_port(self) -> None:
        deadline = time.monotonic() + PORT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.port:
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name}: no port\n" + "\n".join(self.log))

    # requests

    def _requests(self, records: list[Record]) -> Iterator[Outcome]:
        waiting = [record for record in records if record["request"] is not None]
        while waiting:
            record = waiting.pop(0)
            if not record.get("concurrent"):
                yield self._one(record)
                continue
            stem = record["name"].rsplit("-", 1)[0]
            group = [record] + [r for r in waiting if r["name"].rsplit("-", 1)[0] == stem]
            waiting = [r for r in waiting if r not in group]
            yield from self._together(group)

    def _one(self, record: Record) -> Outcome:
        name = record["name"]
        if "idle-kill" in name or "idlekill" in name:
            self._kill_worker()
        if "after-idle" in name and "kill" not in name:
            time.sleep(4)  # recorded after the temporary workers' max_idle_time of 3 s
        if SETTLES.search(name):
            return self._settled(record)
        if "at_ms_after_failure" in record:
            return self._poll(record)
        if first := self.row.get("before", {}).get(name):
            path, body = first["path"], first["body"]
            exchange(self.port, f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        return self._compared(record, self._send(record))

    def _settled(self, record: Record) -> Outcome:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            outcome = self._compared(record, self._send(record))
            if not outcome.differences or time.monotonic() > deadline:
                return outcome
            time.sleep(0.1)

    def _send(self, record: Record, sent: Callable[[], None] = lambda: None) -> Answer:
        request = record["request"]
        if "note" in request:  # a signal was sent while it was under way
            return Answer(None)
        silent = record["response"].get("status") is None and "responses" not in record["response"]
        data = request_bytes(record, self.models)
        if "responses" in record["response"]:
            return self._pipelined(record, data)
        ends = record["response"].get("connection_after", "left open") != "left open"
        answer = exchange(
            self.port,
            data,
            head_only=request.get("method") == "HEAD",
            timeout_s=SILENCE_S if silent else 90,
            linger_s=30 if ends else LINGER_S,
            sent=sent,
        )
        if answer.status == 503 and ("exceeded" in record["name"] or "exit" in record["name"]):
            self.failed = time.monotonic()
        return answer

    def _pipelined(self, record: Record, data: bytes) -> Answer:
        """Several answers on one connection are compared as text."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            client.sendall(data)
            got = b""
            while got.count(b"HTTP/1.1 ") < record["response"]["responses"] or not got.endswith(b"}"):
                got += client.recv(4096)
        return Answer(200, body=got)

    def _compared(self, record: Record, answer: Answer) -> Outcome:
        if "responses" in record["response"]:
            wanted, got = mask(record["response"]["raw"]), mask(answer.body.decode())
            difference = differ("raw", wanted, got)
            return Outcome(self.name, record["name"], [difference] if difference else [])
        return Outcome(self.name, record["name"], compare(record, answer, self.models))

    def _together(self, group: list[Record]) -> Iterator[Outcome]:
        """Sends each at its recorded time, and not before the one ahead of it has left."""
        began = time.monotonic()

        def send(record: Record, sent: threading.Event) -> Answer:
            try:
                return self._send(record, sent.set)
            finally:
                sent.set()

        with ThreadPoolExecutor(len(group)) as pool:
            flights = []
            for record in group:
                time.sleep(max(0.0, began + record["response"].get("started_at_ms", 0) / 1000 - time.monotonic()))
                sent = threading.Event()
                flights.append(pool.submit(send, record, sent))
                sent.wait(PATIENCE_S)
            answers = [flight.result() for flight in flights]
        # Which of several simultaneous requests is first is nobody's promise: any matching of answers will do.
        for record in group:
            outcomes = [self._compared(record, answer) for answer in answers]
            best = min(range(len(answers)), key=lambda i: len(outcomes[i].differences))
            answers.pop(best)
            yield outcomes[best]

    def _poll(self, record: Record) -> Outcome:
        """Asks every half second, as the recording did, until the answer is the recorded one or its time is over."""
        base = self.failed or time.monotonic()
        deadline = base + record["at_ms_after_failure"] / 1000 + PATIENCE_S
        while True:
            outcome = self._compared(record, self._send(record))
            early = "recovery-poll" in record["name"] and time.monotonic() < deadline
            if not outcome.differences or not early:
                break
            time.sleep(POLL_S)
        took = time.monotonic() - base
        least = record["at_ms_after_failure"] / 1000 - 20  # a slow reload is part of the minute
        if record["at_ms_after_failure"] > 30_000 and took < least:
            outcome.differences.append(f"recovered after {took:.0f} s, the original needed a minute")
        return outcome

    def _kill_worker(self) -> None:
        """Kills the worker that this scenario's server started last."""
        pids = [int(m[1]) for line in self.log if (m := re.search(r"W-(\d+)-.*engine started with args", line))]
        if pids and pids[-1] not in self.killed:
            self.killed.add(pids[-1])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[-1], signal.SIGKILL)
            _await_reaped(pids[-1])

    # the life of a server that ends, or opens late

    def _life(self) -> Iterator[Outcome]:
        watcher = threading.Thread(target=self._watch, daemon=True)
        life = next(r for r in self.records if r["request"] is None or "exit_code" in r)
        if "signal" in self.row:
            yield self._signalled(life)
            return
        watcher.start()
        answers = [r for r in self.records if r["request"] is not None]
        ends = life.get("exit_code") is not None or "events" not in life
        if ends:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PORT_S)
        elif answers:
            self._await_port()
        else:  # it neither ends nor opens
            self._await_log(life["log"][-1])
        wanted = _states(life.get("events", []))
        if ends:
            self._reader.join(PATIENCE_S)
            watcher.join(PATIENCE_S)
        elif "events" in life:
            deadline = time.monotonic() + PATIENCE_S
            while self.events != wanted and time.monotonic() < deadline:
                time.sleep(0.02)
        for record in answers:
            yield self._seen(record) if ends else self._one(record)
        differences = []
        if "exit_code" in life:
            differences.append(differ("exit code", life["exit_code"], self.process.poll()))
        differences.append(differ("port", wanted, self.events if "events" in life else []))
        outcome = next(iter(self._logs([life])))
        outcome.differences[:0] = [difference for difference in differences if difference]
        yield outcome

    def _await_log(self, last: str) -> None:
        deadline = time.monotonic() + PORT_S
        while last not in self.log and time.monotonic() < deadline:
            time.sleep(0.1)

    def _watch(self) -> None:
        """Notes each change of what /ping does, as the recording did."""
        while self.process.poll() is None:
            try:
                if not self.port:
                    raise ConnectionRefusedError
                answer = exchange(self.port, b"GET /ping HTTP/1.1\r\n\r\n", timeout_s=5)
                state = "open" if answer.status else ""  # "": the instant in which it opened and closed
                self.seen = self.seen or (answer if answer.status else None)
            except OSError:
                state = "refused"
            if state and self.process.poll() is None and self.events[-1:] != [state]:
                self.events.append(state)
            time.sleep(0.02)
        if self.events[-1:] != ["refused"]:  # the JVM needs seconds to end after its port closed
            self.events.append("refused")

    def _seen(self, record: Record) -> Outcome:
        """A /ping of a server that ended since: what the watcher saw."""
        answer = self.seen or Answer(None)
        if record["response"].get("status") is None:
            return Outcome(self.name, record["name"])  # the instant in which the port was open; not every run meets it
        return self._compared(record, answer)

    def _signalled(self, record: Record) -> Outcome:
        self._await_port()
        data = b'POST /predictions/slow HTTP/1.1\r\nContent-Length: 13\r\n\r\n{"sleep": 60}'
        with ThreadPoolExecutor(1) as pool:
            flight = pool.submit(exchange, self.port, data)
            time.sleep(0.5)
            self.process.send_signal(getattr(signal, self.row["signal"]))
            code = self.process.wait(10)
            answer = flight.result()
        found = [differ("exit code", record["exit_code"], code), differ("in flight", None, answer.status)]
        return Outcome(self.name, record["name"], [difference for difference in found if difference])

    def _logs(self, records: list[Record]) -> Iterator[Outcome]:
        deadline = time.monotonic() + PATIENCE_S
        for record in records:
            while (missing := compare_logs(record, self.log)) and time.monotonic() < deadline and not self._has_ended():
                time.sleep(0.1)
            yield Outcome(self.name, record["name"], missing)

    def _has_ended(self) -> bool:
        """Whether the log is whole."""
        return not self._reader.is_alive()


def _await_reaped(pid: int) -> None:
    """Waits until the server knows that its child has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    time.sleep(0.3)  # for its socket, of which nothing tells


def _states(events: list[list[Any]]) -> list[str]:
    """Recorded events as the watcher names them; the instant in which the port was open is not counted."""
    names = {"refused": "refused", "ConnectionRefusedError": "refused", "open": "open", 200: "open"}
    found = [names.get(event[2] if len(event) > 2 else event[1]) for event in events]
    kept: list[str] = []
    for name in found:
        if name and kept[-1:] != [name]:
            kept.append(name)
    return kept
