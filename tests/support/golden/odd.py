"""The odd inputs of golden/odd.jsonl: the store they were asked on, what comes back on a socket, and where it differs.

A record has a `rule` (an id), a `kind`, a `name`, the input, and what the `real` server did with it. A body in it is
cut after 400 characters or so, and the folders and whatever changes from run to run are masked.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.golden.compare import differ, mask
from tests.support.golden.http import Record
from tests.support.golden.launch import GOLDEN

MASKED_HEADERS = {"x-request-id", "pragma", "cache-control", "expires"}  # each answer has them; the records do not
COLUMN = re.compile(r"column \d+")  # behind a folder's path
NO_BODY = ("1", "204", "304")


@dataclass
class Places:
    """Where this machine has the folders of a record: store, late models, and what holds both."""

    work: Path

    @property
    def folders(self) -> Mapping[str, str]:
        """Placeholder to folder, the inner ones first."""
        return {"${STORE}": f"{self.work}/store", "${MORE}": f"{self.work}/more", "${WORK}": f"{self.work}"}

    def here(self, text: str) -> str:
        """The text with this machine's folders."""
        for name, folder in self.folders.items():
            text = text.replace(name, folder)
        return text

    def masked(self, text: str) -> str:
        """The text as a record shows it."""
        for name, folder in self.folders.items():
            text = text.replace(folder, name)
        return mask(text)


def cases(kind: str, not_yet: Collection[str] = ()) -> list[Any]:
    """The records of a kind as parameters; those of a rule in `not_yet` (an id, or an id and a name) must fail."""
    lines = (GOLDEN / "odd.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    records = [record for record in map(json.loads, lines) if record["kind"] == kind]
    waits = [pytest.mark.xfail(strict=True, reason="not mended yet")]
    return [
        pytest.param(record, id=_id(record, number), marks=waits if _must_fail(record, set(not_yet)) else [])
        for number, record in enumerate(records)
    ]


def _must_fail(record: Record, not_yet: set[str]) -> bool:
    named = not_yet & {record["rule"], _name(record)}
    if not named or record["kind"] != "request":
        return bool(named)
    found = differences(record["real"], record["rehearsal"], Places(Path("/not/there")))
    return any(not text.startswith("length") for text in found)  # else what differed was cut


def _name(record: Record) -> str:
    return f"{record['rule']} {record['name']}"


def _id(record: Record, number: int) -> str:
    return re.sub(r"[^\w=+.,:/ -]", "", f"{number} {_name(record)}"[:70]).replace("::", ":")


def write_stores(work: Path) -> Places:
    """The model folders of the records' first line: `store` and `more/late`."""
    models = json.loads((GOLDEN / "odd.jsonl").read_text(encoding="utf-8").splitlines()[0])["models"]
    properties = models["serving.properties"].replace(", ", "\n") + "\n"
    for name in ("echo", "prop", "errout", "stream", "none", "notout"):
        shutil.copytree(GOLDEN / "models" / "main" / name, work / "store" / name)
    for folder in (work / "store" / "see", work / "store" / "ver", work / "more" / "late"):
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(models["see"])
        (folder / "serving.properties").write_text(properties)
    (work / "fuzz.py").write_text("")  # a plain file that a record names
    return Places(work)


def request_of(record: Record, places: Places) -> bytes:
    """The bytes of a record's request, on this machine's folders."""
    text = places.here(record["request"])
    head, _, body = text.partition("\r\n\r\n")
    if text != record["request"] and body:
        head = re.sub(r"(?<=Content-Length: )\d+", str(len(body)), head)
        text = f"{head}\r\n\r\n{body}"
    return text.encode("latin-1")


def ask(port: int, data: bytes, real: Record, *, patience_s: float, linger_s: float) -> Record:
    """What comes back on a new connection: as many answers as the real server gave, and what is left or follows."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as client:
        client.sendall(data)
        got, connection = bytearray(), ""
        while not connection:
            enough = len(_answers(bytes(got))[0]) >= len(real["answers"]) and real["connection"] == "left open"
            client.settimeout(linger_s if enough else patience_s)
            try:
                part = client.recv(65536)
                got += part
                connection = "" if part else "closed"
            except TimeoutError:
                connection = "left open"
            except ConnectionResetError:
                connection = "reset"
    answers, rest = _answers(bytes(got))
    return {"answers": answers, "connection": connection, "rest": rest}


def differences(real: Record, ours: Record, places: Places) -> list[str]:
    """Where what came back differs from what the real server gave."""
    wanted, got = real["answers"], ours["answers"]
    found = [
        differ("connection", real["connection"], ours["connection"]),
        differ("count", len(wanted), len(got)),
        differ("rest", "", ours.get("rest", "")),
    ]
    for one, other in zip(wanted, got, strict=False):
        found += _differ(one, other, places)
    return [difference for difference in found if difference]


def _differ(real: Record, ours: Record, places: Places) -> list[str]:
    wanted, body = (COLUMN.sub("column <n>", text) for text in (real["body"], places.masked(ours["body"])))
    fixed, length = "${" not in wanted, str(len(ours["body"].replace("|", "").encode("latin-1")))
    if wanted.startswith('{"echo": {"status"'):  # a map of the original, in no order
        body = json.dumps(json.loads(body), sort_keys=True)
    if not _is_whole(real):  # the record's body was cut, perhaps inside a name that is masked
        fixed, wanted = fixed and '"id"' not in body, wanted[: wanted.rfind("\n") + 1]
        shown = min(len(wanted), len(body)) if "\n" in wanted else 0
        wanted, body = wanted[:shown], body[:shown]
    headers = [[name, places.masked(value)] for name, value in ours["headers"] if name.lower() not in MASKED_HEADERS]
    said = dict(map(tuple, headers)).get("content-length", length)
    return [
        differ("status", real["status"], ours["status"]),
        differ("headers", _lengths(real["headers"], fixed), _lengths(headers, fixed)),
        differ("length", length, said),
        differ("body", wanted, body),
    ]


def _is_whole(answer: Record) -> bool:
    try:
        json.loads(answer["body"])
        return True
    except ValueError:
        length = dict(map(tuple, answer["headers"])).get("content-length", "")
        return not length or len(answer["body"]) == int(length.replace("<n>", "-1"))


def _lengths(headers: list[list[str]], fixed: bool) -> list[list[str]]:
    return [[name, value if fixed or name != "content-length" else "<n>"] for name, value in headers]


def _answers(data: bytes) -> tuple[list[Record], str]:
    """The whole answers in `data`, and what is left of it."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [[*line.partition(": ")][::2] for line in lines]
        names = {name.lower(): value for name, value in headers}
        taken = _body(first.split(" ")[1], names, rest)
        if taken is None:
            break
        body, data = taken
        found.append({"status": first.removeprefix("HTTP/1.1 "), "headers": headers, "body": body.decode("latin-1")})
    return found, data.decode("latin-1")


def _body(status: str, headers: Mapping[str, str], rest: bytes) -> tuple[bytes, bytes] | None:
    """The body at the start of `rest`, chunks joined by `|`, and what follows; None if it is not whole."""
    if headers.get("transfer-encoding") != "chunked":
        size = int(headers.get("content-length", "0"))
        return (rest[:size], rest[size:]) if len(rest) >= size else None
    chunks = []
    while b"\r\n" in rest:
        line, _, rest = rest.partition(b"\r\n")
        chunk, rest = rest[: int(line, 16)], rest[int(line, 16) + 2 :]
        if not chunk:
            return b"|".join(chunks), rest
        chunks.append(chunk)
    return None
