"""Replays exchanges recorded from the real DJLServing against the rehearsal server, and says where they differ.

    python tools/replay_golden.py [FOLDER] [--only TEXT ...] [--fast] [--verbose]

FOLDER (default ../shared/golden) holds exchanges.jsonl and the model stores that it was recorded on. Each scenario gets a
server of its own, in strict mode. The last line is `N of M equal`; the exit code is 1 if N is smaller.

Not compared, because no two runs agree: request ids, tokens, process and worker ids, times, ports, the order of names in
/ping, and the folders that the two servers keep their worker, sockets and logs in. Log lines are compared for the classes in
LOGGED; the JVM's own (plugins, Netty, Java stack traces) and Python's tracebacks, which change with Python, are not.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT.parent / "shared" / "golden"
AT_ONCE = 4  # scenarios; most of their time they wait
LINGER_S = 0.1  # how long a connection is watched after its answer
SETTLES, SETTLE_S = re.compile("after-async|later|ready"), 10.0
SILENCE_S = 4.0  # a request that the original left without an answer is given up after this time
POLL_S = 0.5
Record = dict[str, Any]

# What a scenario was started with, where its records do not say.
ENVIRONMENT = {
    "dev-tp2-noomp": {"OMP_NUM_THREADS": ""},
    "env-omp2-default": {"OMP_NUM_THREADS": "2"},
    "dev-tp0-env-tp": {"TENSOR_PARALLEL_DEGREE": "2"},
    "dev-tp0-env-option": {"OPTION_TENSOR_PARALLEL_DEGREE": "4", "OPTION_MY_OPT": "z"},
}
# Requests that came before a record and are not in every set of recordings; sent first where they are missing.
BEFORE = {"errout-after-exit": ("exit", "/predictions/errout", b'{"kind": "exit"}')}
# Scenarios that hold a minute of waiting, or end by themselves only after a pause.
SLOW = (
    "timeout-",
    "crash-",
    "badload",
    "importfail",
    "loadtimeout",
    "unkengine",
    "nomodelpy",
    "badmodule",
    "slowload",
)
LOGGED = re.compile(
    r"(INFO |WARN |ERROR) (ModelServer (Found|Initializing|Failed|Stopping|BOTH|Model s)|ModelManager Loading|"
    r"WorkerPool|ModelInfo Loading|PyProcess (Start|Model|Stop process)|PyProcess W-\S+ (Python engine started|PRINT|a warn|"
    r"an err|printed)|Connection Set)|\t(job_queue|batch_size|max_|load_on|engine|option|minW|maxW)|java\.util\S+: |Caused by:"
)
OWN_PLACES = (
    "PYTHONPATH",
    "PYTHON_EXECUTABLE",
    "DJL_CACHE_DIR",
    "MODEL_SERVER_HOME",
    "PYTHONUNBUFFERED",
    "INF2LAB_CACHE",
)
MASKS = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r'"startTime": "[^"]*"'), '"startTime": "<time>"'),
    (re.compile(r'"id": \d+'), '"id": <id>'),
    (re.compile(r'"pid":\d+'), '"pid":<pid>'),
    (re.compile(r"W-\d+-"), "W-<pid>-"),
    (re.compile(r"Stop process: -1:\d+"), "Stop process: -1:<pid>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
)


def mask(text: str) -> str:
    """The text without what changes from run to run."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


@dataclass
class Outcome:
    """One compared record; no differences means equal."""

    scenario: str
    name: str
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int | None
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunks: tuple[bytes, ...] = ()
    interim: tuple[str, ...] = ()
    after: str = ""


# --- talking to the server


def request_bytes(record: Record, models: str) -> bytes:
    """The bytes of a recorded request, with this machine's model folder in it."""
    request = record["request"]
    if "raw" in request:
        return request["raw"].encode("latin-1")
    body = request.get("body")
    if "body_b64" in request:
        data = base64.b64decode(request["body_b64"])
    elif "body_len" in request:
        data = b'{"x":"' + b"y" * (request["body_len"] - 8) + b'"}'
    else:
        data = (body or "").replace("${MODELS}", models).encode()
    moved = "${MODELS}" in (body or "")
    headers = [
        f"{name}: {len(data) if moved and name.lower() == 'content-length' else value}"
        for name, value in request.get("headers", [])
    ]
    path = request["path"].replace("${MODELS}", models)
    return "\r\n".join([f"{request['method']} {path} HTTP/1.1", *headers, "", ""]).encode() + data


def exchange(
    port: int, data: bytes, *, head_only: bool = False, timeout_s: float = 90, linger_s: float = LINGER_S
) -> Answer:
    """Sends bytes on a new connection and reads one answer, and what becomes of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as client:
        try:
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
            return _read(client, head_only, linger_s)
        except TimeoutError:
            return Answer(None, after="silence")
        except (ConnectionError, ValueError):
            return Answer(None, after="dropped")


def _read(client: socket.socket, head_only: bool, linger_s: float) -> Answer:
    stream = client.makefile("rb")
    interim = []
    while True:
        _, status, reason = stream.readline().decode("latin-1").rstrip("\r\n").split(" ", 2)
        headers = []
        while line := stream.readline().strip():
            name, _, value = line.decode("latin-1").partition(": ")
            headers.append((name, value))
        if status != "100":
            break
        interim.append(f"HTTP/1.1 100 {reason}")
    values = {name.lower(): value for name, value in headers}
    chunks: list[bytes] = []
    if "chunked" in values.get("transfer-encoding", "") and not head_only:
        while size := int(stream.readline(), 16):
            chunks.append(stream.read(size))
            stream.readline()
        stream.readline()
        body = b"".join(chunks)
    else:
        body = b"" if head_only else stream.read(int(values.get("content-length", "0")))
    return Answer(
        int(status),
        reason,
        tuple(headers),
        body,
        tuple(chunks),
        tuple(interim),
        _after(client, stream, linger_s),
    )


def _after(client: socket.socket, stream: Any, linger_s: float) -> str:
    client.settimeout(linger_s)
    try:
        extra = stream.read1(10)
        return f"extra data {extra[:10]!r}" if extra else "closed by server"
    except TimeoutError:
        return "left open"
    except ConnectionResetError:
        return "ConnectionResetError"


# --- comparing


def compare(record: Record, answer: Answer, models: str) -> list[str]:
    """Where an answer differs from the recorded one."""
    wanted = record["response"]
    if wanted.get("status") is None:
        silent = answer.status is None
        return (
            [] if silent else [f"answered with {answer.status}, the original did not ({wanted.get('note')})"]
        )
    text = wanted.get("body")
    body = (
        base64.b64decode(wanted["body_b64"])
        if text is None and "body_b64" in wanted
        else (text or "").encode()
    )
    placed = body.replace(b"${MODELS}", models.encode())
    found = [
        _differ("status", (wanted["status"], wanted["reason"]), (answer.status, answer.reason)),
        _differ(
            "headers", _headers(wanted["headers"], placed != body), _headers(answer.headers, placed != body)
        ),
        _differ("connection", wanted.get("connection_after"), answer.after),
        _differ("body", *_bodies(record, placed, answer.body)),
        _differ("interim", tuple(wanted.get("interim", ())), answer.interim),
    ]
    if "chunks" in wanted:
        found.append(
            _differ("chunks", [chunk for _, chunk in wanted["chunks"]], [c.decode() for c in answer.chunks])
        )
    return [difference for difference in found if difference]


def _differ(what: str, wanted: object, got: object) -> str:
    return "" if wanted == got else f"{what}:\n      recorded {wanted!r}\n      got      {got!r}"


def _headers(headers: Any, moved: bool) -> list[tuple[str, str]]:
    """Order and case are kept; a length that depends on where the model store lies is not."""
    return [(name, "<n>" if moved and name == "content-length" else mask(value)) for name, value in headers]


def _bodies(record: Record, wanted: bytes, got: bytes) -> tuple[object, object]:
    path = (record["request"] or {}).get("path") or ""
    if path.startswith("/ping") and wanted.startswith(b"{"):
        return json.loads(wanted), json.loads(got or b"null")  # a map: equal whatever its order
    if b'"init_properties"' in wanted:
        return _inspected(wanted), _inspected(got)
    return mask(wanted.decode("utf-8", "replace")), mask(got.decode("utf-8", "replace"))


def _inspected(body: bytes) -> object:
    """What the `inspect` handler saw, in its order, without the places where the two servers keep things."""
    try:
        seen = json.loads(body, object_pairs_hook=lambda pairs: pairs)
    except ValueError:
        return body
    kept: list[object] = []
    for key, value in seen:
        if key in ("pid", "ppid", "path"):
            continue
        if key == "argv":
            value = [part for i, part in enumerate(value) if i not in (0, 4)]
        if key == "env":
            value = sorted(pair for pair in value if pair[0] not in OWN_PLACES)
        kept.append([key, value])
    return kept


# --- one scenario


class Scenario:
    """A server as the scenario had it, and the replay of the scenario's records in their order."""

    def __init__(self, name: str, records: list[Record], golden: Path, work: Path) -> None:
        self.name, self.records, self.work = name, records, work
        self.models = work / "models"
        shutil.copytree(golden / "models", self.models)
        self.text = json.dumps(records)
        self.config = next((r["server_config"] for r in records if r["server_config"]), "")
        self.log: list[str] = []
        self.events: list[str] = []
        self.began = self.failed = 0.0
        self.killed: set[int] = set()

    def run(self) -> Iterator[Outcome]:
        """Compares all records of the scenario."""
        self._launch()
        try:
            if any("events" in r or "exit_code" in r for r in self.records):
                yield from self._life()
            else:
                self._await_port()
                yield from self._requests(self.records)
                yield from self._logs([r for r in self.records if r["request"] is None])
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(5)

    # what it was started with

    def _launch(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = self.work / "config.properties"
        config.write_text(self.config + "\n")
        command = [
            sys.executable,
            "-m",
            "rehearsal.server",
            "--strict",
            "on",
            "--allow-any-url",
            "-f",
            str(config),
        ]
        command += ["--port", str(self.port), *self._what_to_load()]
        environ = {
            k: v for k, v in os.environ.items() if not k.startswith(("SERVING_", "OPTION_", "MODEL_SERVER_"))
        }
        environ |= {
            "PYTHONPATH": str(ROOT / "lib"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
        }
        environ |= ENVIRONMENT.get(self.name, {})
        self.taken = socket.create_server(("127.0.0.1", self.port)) if self.name == "portinuse" else None
        self.process = subprocess.Popen(
            command,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.work,
        )
        self.began = time.monotonic()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip("\n").replace(str(self.models), "${MODELS}"))

    def _what_to_load(self) -> list[str]:
        """The model store, or the single models, that the records show."""
        if self.name.startswith(("dev-", "defentry-")) or (
            named := re.findall(r"Initializing model: (\w+)=file://", self.text)
        ):
            urls = re.findall(r"file://(\$\{MODELS\}/\w+/[\w-]+)", self.text) + [self._folder_of_model()]
            name = self.records[0]["model"] or named[0]
            return ["-m", f"{name}={urls[0].replace('${MODELS}', 'file://' + str(self.models))}"]
        return ["-s", str(self._store())]

    def _folder_of_model(self) -> str:
        name = self.records[0]["model"]
        return next((f"${{MODELS}}/{p.parent.name}/{name}" for p in self.models.glob(f"*/{name}")), "")

    def _store(self) -> Path:
        shown = re.search(r"Model Store: \$\{MODELS\}/(\w+)", self.text)
        shown = shown or re.search(r"file:\$\{MODELS\}/(\w+)/[\w-]+/", self.text)
        shown = shown or re.search(r"'\$\{MODELS\}/(\w+)/[\w-]+'", self.text)
        guesses = [shown[1]] if shown else []
        guesses += [self.name, *self.name.split("-", 1)[1:], self.name.split("-")[0]]
        for guess in guesses:
            if (self.models / guess).is_dir():
                return self.models / guess
        names = self._names()
        store = shown[1] if shown else "no-such-store"
        return self._assemble(store, names) if names else self.models / store

    def _names(self) -> list[str]:
        """The models that the scenario's first /ping or a description shows."""
        for record in self.records:
            if record["response"] and (record["request"] or {}).get("path") == "/ping":
                with contextlib.suppress(ValueError, TypeError):
                    return list(json.loads(record["response"]["body"]))
        return sorted(set(re.findall(r"file:\$\{MODELS\}/\w+/([\w-]+)/", self.text)))

    def _assemble(self, store: str, names: list[str]) -> Path:
        """A store that was recorded on but is not shipped, from the folders of the same names in others."""
        for name in names:
            source = next(
                p
                for p in sorted(self.models.glob("*/*"))
                if p.name.replace("-", "_") == name.replace("-", "_")
            )
            shutil.copytree(source, self.models / store / source.name, dirs_exist_ok=True)
            for record in self.records:
                if record["model"] == name and record["serving_properties"]:
                    (self.models / store / source.name / "serving.properties").write_text(
                        record["serving_properties"]
                    )
        return self.models / store

    def _await_port(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
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
        if name in BEFORE and not any(
            BEFORE[name][0] in r["name"] and r["name"] != name for r in self.records
        ):
            _, path, body = BEFORE[name]
            exchange(
                self.port, f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
        return self._compared(record, self._send(record))

    def _settled(self, record: Record) -> Outcome:
        """For what a slower machine shows a little later."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            outcome = self._compared(record, self._send(record))
            if not outcome.differences or time.monotonic() > deadline:
                return outcome
            time.sleep(0.1)

    def _send(self, record: Record) -> Answer:
        request = record["request"]
        if "note" in request:  # a signal was sent while it was under way
            return Answer(None)
        silent = record["response"].get("status") is None and "responses" not in record["response"]
        data = request_bytes(record, str(self.models))
        if "responses" in record["response"]:
            return self._pipelined(record, data)
        late = "extra" in record["response"].get("connection_after", "")
        answer = exchange(
            self.port, data, head_only=request.get("method") == "HEAD", timeout_s=SILENCE_S if silent else 90,
            linger_s=5 if late else LINGER_S,
        )  # fmt: skip
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
            difference = _differ("raw", wanted, got)
            return Outcome(self.name, record["name"], [difference] if difference else [])
        return Outcome(self.name, record["name"], compare(record, answer, str(self.models)))

    def _together(self, group: list[Record]) -> Iterator[Outcome]:
        began = time.monotonic()

        def send(record: Record) -> Answer:
            starts = record["response"].get("started_at_ms", 0) / 1000
            time.sleep(max(0.0, began + starts - time.monotonic()))
            return self._send(record)

        with ThreadPoolExecutor(len(group)) as pool:
            answers = list(pool.map(send, group))
        for record, answer in zip(group, answers, strict=True):
            yield self._compared(record, answer)

    def _poll(self, record: Record) -> Outcome:
        """Asks every half second, as the recording did, until the answer is the recorded one or its time is over."""
        base = self.failed or time.monotonic()
        deadline = base + record["at_ms_after_failure"] / 1000 + 3
        while True:
            outcome = self._compared(record, self._send(record))
            early = "recovery-poll" in record["name"] and time.monotonic() < deadline
            if not outcome.differences or not early:
                break
            time.sleep(POLL_S)
        took = time.monotonic() - base
        if record["at_ms_after_failure"] > 30_000 and took < record["at_ms_after_failure"] / 1000 - 5:
            outcome.differences.append(f"recovered after {took:.0f} s, the original needed a minute")
        return outcome

    def _kill_worker(self) -> None:
        """Kills the worker that this scenario's server started last."""
        pids = [
            int(m[1]) for line in self.log if (m := re.search(r"W-(\d+)-.*engine started with args", line))
        ]
        if pids and pids[-1] not in self.killed:
            self.killed.add(pids[-1])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[-1], signal.SIGKILL)
            time.sleep(0.3)

    # the life of a server that ends, or opens late

    def _life(self) -> Iterator[Outcome]:
        watcher = threading.Thread(target=self._watch, daemon=True)
        life = next(r for r in self.records if "events" in r or "exit_code" in r)
        if "in flight" in self.text:
            yield self._signalled(life)
            return
        watcher.start()
        answers = [r for r in self.records if r["request"] is not None]
        ends = life.get("exit_code") is not None
        if ends:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(40)
        else:
            time.sleep(2) if "refused" in self.text and "stopped" in life else None
            with contextlib.suppress(RuntimeError):
                self._await_port() if answers else time.sleep(6)
        self._reader.join(0.5)
        for record in answers:
            yield self._seen(record) if ends else self._one(record)
        differences = []
        if "exit_code" in life:
            differences.append(_differ("exit code", life["exit_code"], self.process.poll()))
        differences.append(
            _differ("port", _states(life.get("events", [])), self.events if "events" in life else [])
        )
        outcome = next(iter(self._logs([life])))
        outcome.differences[:0] = [difference for difference in differences if difference]
        yield outcome

    def _watch(self) -> None:
        """Notes each change of what /ping does, as the recording did."""
        while self.process.poll() is None:
            try:
                answer = exchange(self.port, b"GET /ping HTTP/1.1\r\n\r\n", timeout_s=5)
                state = "open" if answer.status else "dropped"
                self.last = answer if answer.status else getattr(self, "last", answer)
            except OSError:
                state = "refused"
            if self.process.poll() is None and (not self.events or self.events[-1] != state):
                self.events.append(state)
            time.sleep(0.02)

    def _seen(self, record: Record) -> Outcome:
        """A /ping of a server that ended since: what the watcher saw."""
        answer = getattr(self, "last", Answer(None))
        if record["response"].get("status") is None:
            return Outcome(
                self.name, record["name"]
            )  # the instant in which the port was open; not every run meets it
        return self._compared(record, answer)

    def _signalled(self, record: Record) -> Outcome:
        self._await_port()
        data = b'POST /predictions/slow HTTP/1.1\r\nContent-Length: 13\r\n\r\n{"sleep":1.5}'
        with ThreadPoolExecutor(1) as pool:
            flight = pool.submit(exchange, self.port, data)
            time.sleep(0.5)
            self.process.send_signal(getattr(signal, self.name.removeprefix("signal-")))
            code = self.process.wait(10)
            answer = flight.result()
        found = [_differ("exit code", record["exit_code"], code), _differ("in flight", None, answer.status)]
        return Outcome(self.name, record["name"], [difference for difference in found if difference])

    def _logs(self, records: list[Record]) -> Iterator[Outcome]:
        """Whether the recorded log lines that both servers have came in the recorded order."""
        for record in records:
            lines = [line for line in record.get("log", []) if LOGGED.match(line)]
            position, differences = 0, []
            ours = [mask(line) for line in self.log]
            for line in lines:
                wanted = mask(line)
                try:
                    position = ours.index(wanted, position) + 1
                except ValueError:
                    differences.append(f"no log line, or not in this order: {wanted}")
            differences += self._commands(record)
            yield Outcome(self.name, record["name"], differences)

    def _commands(self, record: Record) -> list[str]:
        differences = []
        for command in record.get("worker_cmdlines", []):
            wanted = command.split("--model-dir", 1)[1].split()
            started = [line for line in self.log if "engine started with args" in line]
            if not any(all(f"'{part}'" in line for part in wanted) for line in started):
                differences.append(f"no worker was started with {wanted}")
        return differences


def _states(events: list[list[Any]]) -> list[str]:
    """Recorded events as the watcher names them; the instant in which the port was open is not counted."""
    names = {"refused": "refused", "ConnectionRefusedError": "refused", "open": "open", 200: "open"}
    found = [names.get(event[2] if len(event) > 2 else event[1]) for event in events]
    return [name for i, name in enumerate(found) if name and (i == 0 or name != found[i - 1])]


# --- all of them


def replay(golden: Path, *, only: tuple[str, ...] = (), fast: bool = False) -> list[Outcome]:
    """Replays the scenarios whose name holds one of `only`; `fast` leaves out those that wait."""
    by_name: dict[str, list[Record]] = {}
    for line in (golden / "exchanges.jsonl").read_text().splitlines():
        record = json.loads(line)
        by_name.setdefault(record["scenario"], []).append(record)
    names = [name for name in by_name if not only or any(part in name for part in only)]
    names = [name for name in names if not (fast and name.startswith(SLOW))]

    def one(name: str) -> list[Outcome]:
        with tempfile.TemporaryDirectory(prefix="replay-") as work:
            try:
                return list(Scenario(name, by_name[name], golden, Path(work)).run())
            except Exception as error:  # one scenario that cannot be replayed must not hide the others
                return [Outcome(name, record["name"], [f"not replayed: {error}"]) for record in by_name[name]]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [outcome for outcomes in pool.map(one, names) for outcome in outcomes]


def main(argv: list[str] | None = None) -> int:
    """Prints what differs and the count; 0 if all are equal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=GOLDEN)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="TEXT", help="scenarios whose name holds one of these"
    )
    parser.add_argument("--fast", action="store_true", help="leave out scenarios that wait for a minute")
    parser.add_argument("--verbose", action="store_true", help="also name the equal ones")
    args = parser.parse_args(argv)
    if not (args.folder / "exchanges.jsonl").is_file():
        print(f"{args.folder}: no exchanges.jsonl there", file=sys.stderr)
        return 2
    outcomes = replay(args.folder, only=tuple(args.only), fast=args.fast)
    for outcome in outcomes:
        if outcome.differences or args.verbose:
            print(f"{'DIFFERENT' if outcome.differences else 'equal'} {outcome.scenario} {outcome.name}")
            for difference in outcome.differences:
                print(f"    {difference[:2000]}")
    equal = sum(not outcome.differences for outcome in outcomes)
    print(f"{equal} of {len(outcomes)} equal")
    return 0 if equal == len(outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
