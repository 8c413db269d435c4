"""Answers before they are bytes: status, headers, body, in the two formats that clients of DJLServing meet."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from rehearsal.server.errors import ApiError
from rehearsal.server.gson import pretty
from rehearsal.server.workers.codec import Data, Reply

BAD_IN_REASON = re.compile("[\r\n]")
BAD_IN_HEADER = re.compile("[\r\n\0\v\f]")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
NO_CACHE = (
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache; no-store, must-revalidate, private"),
    ("Expires", "Thu, 01 Jan 1970 00:00:00 UTC"),
)
OWN_HEADERS = {
    "x-request-id",
    "pragma",
    "cache-control",
    "expires",
    "content-length",
    "transfer-encoding",
    "connection",
}  # a handler's values for these are replaced


@dataclass(slots=True)
class Response:
    """One answer; `pieces` replaces `body` for a stream."""

    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Data = b""
    pieces: AsyncIterator[bytes] | None = None


def json_response(value: object, status: int = 200, reason: str | None = None) -> Response:
    """An answer of the server itself."""
    body = (pretty(value) + "\n").encode("utf-8", "replace")
    phrase = HTTPStatus(status).phrase if reason is None else reason
    return Response(status, phrase, [("content-type", "application/json")], body)


def status_response(text: str, status: int = 200) -> Response:
    """What the management API says after doing something."""
    return json_response({"status": text}, status)


def error_response(error: ApiError) -> Response:
    """An error of the server itself; a missing message is left out, as Gson does with null."""
    body: dict[str, object] = {"code": error.status, "type": error.java_type}
    if error.message is not None:
        body["message"] = error.message
    return json_response(body, error.status, error.phrase)


def reply_response(reply: Reply) -> Response:
    """What the handler's answer becomes. Raises ApiError for one that cannot be sent over HTTP."""
    reason = "OK" if reply.code == 200 else reply.message
    if reply.code < 0:
        raise ApiError.illegal_argument(f"code : {reply.code} (expected: >= 0)")
    if reason is None:
        raise ApiError(500, "NullPointerException", "reasonPhrase")
    if BAD_IN_REASON.search(reason):
        text = f"reasonPhrase contains one of the following prohibited characters: \\r\\n: {reason}"
        raise ApiError.illegal_argument(text)
    headers = sorted(reply.properties.items(), key=lambda item: item[0].lower())
    for name, value in headers:
        if not TOKEN.fullmatch(name) or BAD_IN_HEADER.search(value):
            raise ApiError.illegal_argument(f"a header contains a prohibited character: {name!r}: {value!r}")
    body = reply.contents[0][1] if reply.contents else b""
    return Response(reply.code, reason, headers, body, reply.pieces)


def has_no_body(status: int) -> bool:
    """Whether HTTP forbids a body with this status."""
    return status in (204, 205, 304) or (100 <= status < 200 and status != 101)


def head(response: Response, *, cors: Sequence[tuple[str, str]], request_id: str | None, length: int | None) -> bytes:
    """The status line and headers as DJLServing orders them; no length means chunks."""
    lines = [(name, value) for name, value in response.headers if name.lower() not in OWN_HEADERS]
    present = {name.lower() for name, _ in lines}
    if request_id is not None:
        lines.append(("x-request-id", request_id))
    lines += [pair for pair in cors if pair[0] not in present]
    lines += NO_CACHE
    if length is None:
        lines.append(("transfer-encoding", "chunked"))
    elif response.status == 304 or not has_no_body(response.status):
        lines.append(("content-length", str(length)))
    lines.append(("connection", "close" if response.status >= 400 else "keep-alive"))
    if response.status == 205:  # Netty's encoder puts it there
        lines.append(("content-length", "0"))
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    start = f"HTTP/1.1 {response.status} ".encode() + response.reason.encode("latin-1", "replace")
    return start + b"\r\n" + text.encode("latin-1", "replace") + b"\r\n"
