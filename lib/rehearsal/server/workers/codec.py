"""The bytes between server and worker: every message on DJL's Unix socket is written and read here, and nowhere else.

To the worker: int16 count of properties, then key and value of each; int16 count of contents, then key, int32 length,
bytes of each. Back: int16 code, string message, properties as above, int16 count of contents, contents as above; a
count of -1 announces a stream of frames (1 byte "more follows", int32 length, bytes). Numbers are big-endian; a
string is int16 length (-1: none) and UTF-8. Facts: DJLServing 0.25, section 7 of the recorded contract.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct

from rehearsal.server.errors import CodecError

SHORT_MAX = 32767
STREAM = -1  # the content count that announces frames
BLOCK = 256 * 1024  # bytes of a message that are joined, copied or written while all others wait
_short = Struct(">h")
_int = Struct(">i")
_frame = Struct(">Bi")

Data = bytes | list[bytes]  # of a large body the parts, as they came: 60 MB are not joined where all others wait
Pairs = Iterable[tuple[str | None, Data]]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the worker; `contents` is empty for a stream, whose frames follow and become `pieces`."""

    code: int
    message: str | None
    properties: dict[str, str] = field(default_factory=dict)
    contents: list[tuple[str | None, bytes]] = field(default_factory=list)
    is_stream: bool = False
    pieces: AsyncIterator[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece of a stream; `last` pieces may carry data too."""

    data: bytes
    last: bool


def whole(data: Data) -> bytes:
    """The bytes as one."""
    return data if isinstance(data, bytes) else b"".join(data)


def size_of(data: Data) -> int:
    """How many bytes there are."""
    return len(data) if isinstance(data, bytes) else sum(map(len, data))


def encode_request(properties: Mapping[str, str], contents: Pairs = ()) -> Iterator[bytes]:
    """The message that calls the worker's handler, in blocks; with no content it is the init call.

    Raises CodecError for more than 32,767 properties or contents, or a string of more bytes.
    """
    parts = [_count(len(properties))]
    for key, value in properties.items():
        parts += (_string(key), _string(value))
    contents = list(contents)
    parts.append(_count(len(contents)))
    for name, data in contents:
        parts += (_string(name), _int.pack(size_of(data)), *([data] if isinstance(data, bytes) else data))
    return _blocks(parts)


def _blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """What is small together, what is large in slices, each made only when it is asked for."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        if held and size + len(part) > BLOCK:
            yield b"".join(held)
            held, size = [], 0
        if len(part) > BLOCK:
            yield from (part[at : at + BLOCK] for at in range(0, len(part), BLOCK))
        else:
            held.append(part)
            size += len(part)
    yield b"".join(held)


def encode_reply(reply: Reply) -> bytes:
    """The bytes of an answer, as the worker's side writes them (for tests and stand-in workers)."""
    parts = [_short.pack(reply.code), _string(reply.message), _count(len(reply.properties))]
    for key, value in reply.properties.items():
        parts += (_string(key), _string(value))
    parts.append(_short.pack(STREAM if reply.is_stream else len(reply.contents)))
    for name, data in reply.contents:
        parts += (_string(name), _int.pack(len(data)), data)
    return b"".join(parts)


class ReplyReader:
    """Turns the bytes that arrive from a worker into replies and frames, whatever the packet sizes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = 0  # no use to parse again before the buffer holds this much
        self._in_stream = False

    def feed(self, data: bytes) -> list[Reply | Frame]:
        """The messages completed by `data`, oldest first. Raises CodecError for bytes that are no message."""
        self._buffer += data
        messages: list[Reply | Frame] = []
        while self._buffer and len(self._buffer) >= self._wanted:
            cursor = _Cursor(self._buffer)
            try:
                message = cursor.frame() if self._in_stream else cursor.reply()
            except _Incomplete as short:
                self._wanted = short.wanted
                break
            del self._buffer[: cursor.at]
            self._wanted = 0
            self._in_stream = not message.last if isinstance(message, Frame) else message.is_stream
            messages.append(message)
        return messages


class _Incomplete(Exception):
    """The buffer ends inside a message that needs `wanted` bytes or more."""

    def __init__(self, wanted: int) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class _Cursor:
    """Reads one message from the start of a buffer."""

    def __init__(self, buffer: bytearray) -> None:
        self.buffer, self.at = buffer, 0

    def reply(self) -> Reply:
        code = self._short()
        message = self._string()
        properties = {}
        for _ in range(self._size(self._short(), "property count")):
            key = self._string()
            properties[key or ""] = self._string() or ""
        count = self._short()
        if count == STREAM:
            return Reply(code, message, properties, is_stream=True)
        contents = []
        for _ in range(self._size(count, "content count")):
            key = self._string()
            contents.append((key, self._bytes(self._size(self._int(), "content length"))))
        return Reply(code, message, properties, contents)

    def frame(self) -> Frame:
        more, length = _frame.unpack_from(self._need(_frame.size), 0)
        return Frame(self._bytes(self._size(length, "frame length")), last=not more)

    def _need(self, size: int) -> memoryview:
        end = self.at + size
        if end > len(self.buffer):
            raise _Incomplete(end)
        view = memoryview(self.buffer)[self.at : end]
        self.at = end
        return view

    def _bytes(self, size: int) -> bytes:
        return bytes(self._need(size))

    def _short(self) -> int:
        return _short.unpack(self._need(2))[0]

    def _int(self) -> int:
        return _int.unpack(self._need(4))[0]

    def _string(self) -> str | None:
        length = self._short()
        if length < 0:
            return None
        try:
            return self._bytes(length).decode()
        except UnicodeDecodeError as error:
            raise CodecError(f"a string from the worker is not UTF-8: {error}") from error

    def _size(self, value: int, what: str) -> int:
        if value < 0:
            raise CodecError(f"the worker sent {what} {value}; it must be 0 or more")
        return value


def _count(value: int) -> bytes:
    if value > SHORT_MAX:
        raise CodecError(f"{value} entries in one message; the worker's protocol counts at most {SHORT_MAX}")
    return _short.pack(value)


def _string(text: str | None) -> bytes:
    if text is None:
        return _short.pack(-1)
    data = text.encode("utf-8", "replace")
    if len(data) > SHORT_MAX:
        raise CodecError(f"a string of {len(data)} bytes; the worker's protocol carries at most {SHORT_MAX}")
    return _short.pack(len(data)) + data
