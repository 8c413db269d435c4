"""Decides whether an answer equals the recorded one, after masking what changes from run to run."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.golden.http import Answer, Record

LOGGED = re.compile(
    r"(INFO |WARN |ERROR) (ModelServer (Found|Initializing|Failed|Stopping|BOTH|Model s)|ModelManager Loading|"
    r"WorkerPool|ModelInfo Loading|PyProcess (Start|Model|Stop process)|"
    r"PyProcess W-\S+ (Python engine started|PRINT|a warn|an err|printed)|Connection Set)|"
    r"\t(job_queue|batch_size|max_|load_on|engine|option|minW|maxW)|java\.util\S+: |Caused by: (?!io\.netty)"
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


def compare(record: Record, answer: Answer, models: str) -> list[str]:
    """Where an answer differs from the recorded one."""
    wanted = record["response"]
    if wanted.get("status") is None:
        silent = answer.status is None
        return [] if silent else [f"answered with {answer.status}, the original did not ({wanted.get('note')})"]
    text = wanted.get("body")
    body = base64.b64decode(wanted["body_b64"]) if text is None and "body_b64" in wanted else (text or "").encode()
    placed = body.replace(b"${MODELS}", models.encode())
    unlike = placed != body or b'"pid":' in body  # then its length depends on this machine
    found = [
        differ("status", (wanted["status"], wanted["reason"]), (answer.status, answer.reason)),
        differ("headers", _headers(wanted["headers"], unlike), _headers(answer.headers, unlike)),
        differ("connection", wanted.get("connection_after"), answer.after),
        differ("body", *_bodies(record, placed, answer.body)),
        differ("interim", tuple(wanted.get("interim", ())), answer.interim),
    ]
    if "chunks" in wanted:
        found.append(differ("chunks", [chunk for _, chunk in wanted["chunks"]], [c.decode() for c in answer.chunks]))
    return [difference for difference in found if difference]


def differ(what: str, wanted: object, got: object) -> str:
    """A sentence if the two differ, else ""."""
    return "" if wanted == got else f"{what}:\n      recorded {wanted!r}\n      got      {got!r}"


def _headers(headers: Any, unlike: bool) -> list[tuple[str, str]]:
    """Order and case are kept; the length of a body that names a folder or a process is not."""
    return [(name, "<n>" if unlike and name == "content-length" else mask(value)) for name, value in headers]


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


def compare_logs(record: Record, log: list[str]) -> list[str]:
    """Which recorded log lines, of those that both servers have, did not come, or not in the recorded order."""
    differences = []
    positions = {False: 0, True: 0}  # a worker's stderr comes through a pipe of its own
    ours = [mask(line) for line in log]
    for line in filter(LOGGED.match, record.get("log", [])):
        wanted, error = mask(line), "-stderr" in line
        try:
            positions[error] = ours.index(wanted, positions[error]) + 1
        except ValueError:
            differences.append(f"no log line, or not in this order: {wanted}")
    return differences + _started(record, [line for line in log if "engine started with args" in line])


def _started(record: Record, started: list[str]) -> list[str]:
    """Which workers were not started with the recorded entry point or arguments."""
    text = "\n".join(record.get("log", []))
    modules = set(re.findall(r"/djl_python/(\w+)\.py\S* line \d+, in <module>", text))
    wanted = [["--entry-point", f"djl_python.{module}"] for module in sorted(modules)]
    wanted += [command.split("--model-dir", 1)[1].split() for command in record.get("worker_cmdlines", [])]
    return [
        f"no worker was started with {parts}"
        for parts in wanted
        if not any(all(f"'{part}'" in line for part in parts) for line in started)
    ]
