"""HTTP requests as DJLServing sees them: the target taken apart, and the message made of it for a handler."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rehearsal.server.errors import ApiError
from rehearsal.server.wire.escapes import decode_between
from rehearsal.server.wire.forms import URL_ENCODED, form_fields
from rehearsal.server.wire.multipart import boundary, multipart_parts
from rehearsal.server.wire.responses import Response
from rehearsal.server.workers.codec import Contents, Data, whole
from rehearsal.server.workers.jobs import Message

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
END_OF_PATH = re.compile("[?#]")
ITEM = re.compile("=*([^=&;]*)=?([^&;]*)[&;]?")  # a name cannot begin with `=`
MAX_PARAMETERS = 1024  # Netty's QueryStringDecoder stops there
LARGE = 64 * 1024  # bytes of a body that is not taken apart where all others wait
T = TypeVar("T")
SendLate = Callable[[Response], Awaitable[None]]


async def read_aside(body: Data, read: Callable[[bytes], T]) -> T:
    """The result of reading a body: of a large one in a thread, so that the others' requests are answered."""
    if isinstance(body, bytes) and len(body) <= LARGE:
        return read(body)
    return await asyncio.to_thread(lambda: read(whole(body)))


async def _drop(_: Response) -> None:
    """Where no connection is."""


@dataclass(slots=True)
class Request:
    """One complete HTTP request; header names keep the client's spelling."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: Data = b""
    send_late: SendLate = field(default=_drop, repr=False)  # sends an answer that no request waits for
    _query: list[tuple[str, str]] | None = field(default=None, repr=False)

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def path(self) -> str:
        """The decoded path. Raises the 500 that a broken %-escape gets."""
        return decode_between(self.target, 0, _path_end(self.target), plus=False)

    @property
    def segments(self) -> list[str]:
        """The path between slashes, as Java splits it: the first is empty, empty ones at the end are dropped."""
        parts = self.path.split("/")
        while parts and not parts[-1]:
            parts.pop()
        return parts

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query parameters, those of one name together, in the order of the first of each."""
        if self._query is None:
            self._query = group(parse_query(self.target))
        return self._query

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter; an empty one counts as none."""
        return next((value or None for key, value in self.query if key == name), None)


def _path_end(target: str) -> int:
    place = END_OF_PATH.search(target)
    return place.start() if place else len(target)


def parse_query(target: str) -> list[tuple[str, str]]:
    """The pairs of a target's query by Netty's rules: `&` or `;` between, `+` is a blank."""
    pairs: list[tuple[str, str]] = []
    start = _path_end(target) + 1
    if target[start - 1 : start] != "?":
        return pairs
    for item in ITEM.finditer(target.partition("#")[0], start):
        key, equals = item.span(1)
        if key == equals:  # nothing between two separators
            continue
        pairs.append((decode_between(target, *item.span(1)), decode_between(target, *item.span(2)) if item[2] else ""))
        if len(pairs) == MAX_PARAMETERS:
            break
    return pairs


def group(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs with equal keys moved to the first of them."""
    values: dict[str, list[str]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return [(key, value) for key, many in values.items() for value in many]


async def handler_message(request: Request, *, allow_override: bool) -> Message:
    """What a handler gets for a request. Raises ApiError for a body or header that is refused."""
    contents: Contents = [(key, value.encode()) for key, value in request.query]
    properties = _properties(request)
    content_type = request.header("content-type") or ""
    delimiter = boundary(content_type)
    if delimiter is not None:
        contents += await read_aside(request.body, lambda body: multipart_parts(body, delimiter))
    elif content_type.split(";", 1)[0].lower() == URL_ENCODED:
        contents += await read_aside(request.body, form_fields)
    else:
        contents.append(("data", request.body))
    if "handler" in properties and not allow_override:
        raise ApiError.bad_request("The handler can't be overridden in a request")
    return Message(dict(properties.values()), contents)


def _properties(request: Request) -> dict[str, tuple[str, str]]:
    """Header values by lower-case name; of a repeated header the first spelling and the last value."""
    properties: dict[str, tuple[str, str]] = {}

    def put(name: str, value: str) -> None:
        first, _ = properties.get(name.lower(), (name, ""))
        properties[name.lower()] = (first, value)

    for name, value in request.headers:
        if name.lower() != CUSTOM_ATTRIBUTES:
            put(name, value)
            continue
        for token in value.split(";"):
            key, equals, text = token.partition("=")
            if equals:
                put(key.strip(), text.strip())
    return properties
