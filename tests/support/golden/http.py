"""Sends recorded requests byte for byte, and reads answers with what became of the connection."""

from __future__ import annotations

import base64
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LINGER_S = 0.1  # how long a connection is watched after its answer
Record = dict[str, Any]


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
    port: int,
    data: bytes,
    *,
    head_only: bool = False,
    timeout_s: float = 90,
    linger_s: float = LINGER_S,
    sent: Callable[[], None] = lambda: None,
) -> Answer:
    """Sends bytes on a new connection, calls `sent`, and reads one answer and what becomes of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as client:
        try:
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
            sent()
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
        int(status), reason, tuple(headers), body, tuple(chunks), tuple(interim), _after(client, stream, linger_s)
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
