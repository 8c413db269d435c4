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
Contents = list[tuple[str | None, Data]]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the worker; `contents` is empty for a stream, whose frames follow and become `pieces`."""

    code: int
    message: str | None
    properties: dict[str, str] = field(default_factory=dict)
    contents: Contents = field(default_factory=list)
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


def encode_request(properties: Mapping[str, str], contents: Contents | tuple[()] = ()) -> Iterator[bytes]:
    """The message that calls the worker's handler, in blocks; with no content it is the init call.

    Raises CodecError for more than 32,767 properties or contents, or a string of more bytes.
    """
    parts = [_count(len(properties))]
    for key, value in properties.items():
        parts += (_string(key), _string(value))
    parts.append(_count(len(contents)))
    for name, data in contents:
        parts += (_string(name), _int.pack(size_of(data)), *([data] if isinstance(data, bytes) else data))
    return blocks(parts)


def blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
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
    if held:
        yield b"".join(held)


class ReplyReader:
    """Turns the bytes that arrive from a worker into replies and frames, whatever the packet sizes."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0  # of all chunks
        self._wanted = 0  # no use to parse again before they hold this much
        self._in_stream = False

    def feed(self, data: bytes) -> list[Reply | Frame]:
        """The messages completed by `data`, oldest first. Raises CodecError for bytes that are no message."""
        self._chunks.append(data)
        self._size += len(data)
        messages: list[Reply | Frame] = []
        while self._size and self._size >= self._wanted:
            cursor = _Cursor(self._chunks, self._size)
            try:
                message = cursor.frame() if self._in_stream else cursor.reply()
            except _Incomplete as short:
                self._wanted = short.wanted
                break
            self._chunks, self._size, self._wanted = cursor.rest(), self._size - cursor.taken, 0
            self._in_stream = not message.last if isinstance(message, Frame) else message.is_stream
            messages.append(message)
        return messages


class _Incomplete(Exception):
    """The chunks end inside a message that needs `wanted` bytes or more."""

    def __init__(self, wanted: int) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class _Cursor:
    """Reads one message from the start of the chunks."""

    def __init__(self, chunks: list[bytes], size: int) -> None:
        self._others, self._size = iter(chunks), size
        self._chunk, self._at = next(self._others), 0
        self.taken = 0

    def reply(self) -> Reply:
        code = self._short()
        message = self._string()
        properties: dict[str, str] = {}
        spelt: dict[str, str] = {}  # one name in two spellings is one property: the first spelling, the last value
        for _ in range(self._count(self._short(), "property count")):
            name = self._string() or ""
            properties[spelt.setdefault(name.lower(), name)] = self._string() or ""
        count = self._short()
        if count == STREAM:
            return Reply(code, message, properties, is_stream=True)
        contents: Contents = []
        for _ in range(self._count(count, "content count")):
            key = self._string()
            contents.append((key, self._data(self._count(self._int(), "content length"))))
        return Reply(code, message, properties, contents)

    def frame(self) -> Frame:
        more, length = _frame.unpack(self._bytes(_frame.size))
        return Frame(self._bytes(self._count(length, "frame length")), last=not more)

    def rest(self) -> list[bytes]:
        """The chunks behind the message."""
        left = self._chunk[self._at :]
        return [left, *self._others] if left else list(self._others)

    def _bytes(self, size: int) -> bytes:
        start, end = self._at, self._at + size
        if end > len(self._chunk):
            return b"".join(self._across(size))
        self._at = end
        self.taken += size
        return self._chunk[start:end]

    def _data(self, size: int) -> Data:
        return self._bytes(size) if size <= BLOCK else list(self._across(size))

    def _across(self, size: int) -> Iterator[bytes]:
        """The next bytes, as they lie in the chunks."""
        self.taken += size
        if self.taken > self._size:
            raise _Incomplete(self.taken)
        while size:
            if self._at == len(self._chunk):
                self._chunk, self._at = next(self._others), 0
            piece = self._chunk[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def _short(self) -> int:
        return _short.unpack(self._bytes(2))[0]

    def _int(self) -> int:
        return _int.unpack(self._bytes(4))[0]

    def _string(self) -> str | None:
        length = self._short()
        if length < 0:
            return None
        try:
            return self._bytes(length).decode()
        except UnicodeDecodeError as error:
            raise CodecError(f"a string from the worker is not UTF-8: {error}") from error

    def _count(self, value: int, what: str) -> int:
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
