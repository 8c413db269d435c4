"""Bytes of a connection to requests, by the rules of Netty's decoder and of the aggregator behind it.

A parser from a library is not used, on purpose: what the contract fixes is what each of them refuses (any word is a
method, any `WORD/1.2` a version, a blank line may end in LF alone, chunked wins over Content-Length), and where lines
end decides what a handler sees. With `loose` off, everything that two servers may read differently is refused
(RFC 9112), so that no proxy in front can be led to pass on one request as two.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rehearsal.server.wire.heads import (
    HEADER_LIMIT,
    LINE_LIMIT,
    Head,
    MalformedError,
    add_line,
    frame,
    learnt_headers,
    start_head,
)

STEPS = 4000  # of one connection before the others have their turn: a chunk of one byte is a step, or three
HEAD_LIMIT = 32 * 1024  # bytes in which a head that keeps the limits has ended, whatever its lines
INT = 2**31
BEFORE, BEFORE_STRICT = re.compile(rb"[\x00-\x20]*"), re.compile(rb"[\r\n]*")  # passed over before a request
HEAD_END, EMPTY_LINE = re.compile(rb"\n\r?\n"), re.compile(rb"\r?\n")
TOKEN_BYTE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]")
SIZE = re.compile(rb"[\t-\r\x1c-\x20]*([0-9a-fA-F]+)(?:[;\x00-\x20]|\Z)")
SIZE_STRICT = re.compile(rb"([0-9a-fA-F]{1,8})(?:[ \t]*;[^\x00-\x08\n-\x1f\x7f]*)?\Z")


class ChunkSizeError(Exception):
    """A chunk of a size that the original fails on without an answer."""


class Decoder:
    """Calls back for each head, part of a body, and end of a request, whatever the packet sizes."""

    def __init__(
        self,
        on_head: Callable[[Head], None],
        on_body: Callable[[bytes], None],
        on_end: Callable[[], None],
        *,
        loose: bool,
    ) -> None:
        self._on_head, self._on_body, self._on_end, self._loose = on_head, on_body, on_end, loose
        self._data, self._at = b"", 0
        self._step: Callable[[Decoder], bool] = Decoder._begin  # no bound method: no cycle
        self._left = 0  # bytes of a body or a chunk
        self._size = 0  # of the headers so far
        self._head: Head | None = None

    def feed(self, data: bytes) -> bool:
        """Takes bytes; True if there is more to do with what it has, once the others had their turn.

        Raises MalformedError or ChunkSizeError, and takes no notice of what comes then.
        """
        self._data = self._data + data if self._data else data
        try:
            return all(self._step(self) for _ in range(STEPS))
        except (MalformedError, ChunkSizeError) as error:
            self._step, self._at = Decoder._discard, len(self._data)
            if self._head is not None and isinstance(error, MalformedError):
                error.line = self._head.line
            raise
        finally:
            self._data = self._data[self._at :] if self._at < len(self._data) else b""
            self._at = 0

    def _discard(self) -> bool:
        self._at = len(self._data)
        return False

    # --- the head

    def _begin(self) -> bool:
        data, at = self._data, self._at
        if at == len(data):
            return False
        if data[at] <= 32:
            before = (BEFORE if self._loose else BEFORE_STRICT).match(data, at)
            self._at = at = before.end() if before else at
            if at == len(data):
                return False
        if not self._loose and not 65 <= data[at] <= 90 and not TOKEN_BYTE.match(data, at):
            raise MalformedError  # a TLS client would wait for ever, and not know why
        self._head, self._size, self._step = None, 0, Decoder._read_head
        return True

    def _read_head(self) -> bool:
        end = self._end_of_head()
        if end < 0:
            return self._read_part_of_head()
        at, self._at = self._at, end
        self._begin_body(self._take(self._data[at:end]))
        return True

    def _end_of_head(self) -> int:
        """Where the empty line ends, or -1."""
        if self._head is not None and (found := EMPTY_LINE.match(self._data, self._at)):
            return found.end()
        if not self._loose and (end := self._data.find(b"\r\n\r\n", self._at, self._at + HEAD_LIMIT)) >= 0:
            return end + 4  # an empty line before it without CR is refused as its line is read
        found = HEAD_END.search(self._data, self._at, self._at + HEAD_LIMIT)
        return found.end() if found else -1

    def _read_part_of_head(self) -> bool:
        """Takes the lines that are whole, so that a wrong one is refused before the rest comes."""
        end = self._data.rfind(b"\n", self._at) + 1
        if end:
            self._head = self._take(self._data[self._at : end])
            self._at = end
        left = len(self._data) - self._at - self._data.endswith(b"\r")
        if left > (LINE_LIMIT if self._head is None else HEADER_LIMIT - self._size):
            raise MalformedError
        return False

    def _take(self, block: bytes) -> Head:
        """Adds whole lines to the head."""
        if self._head is None:
            line, _, block = block.partition(b"\n")
            self._head = start_head(line, loose=self._loose)
            if (learnt := learnt_headers(block)) is not None:
                self._head.headers, self._size = learnt, len(block)
                return self._head
        for line in block.split(b"\n")[:-1]:
            self._size += len(line) - line.endswith(b"\r")
            if self._size > HEADER_LIMIT:
                raise MalformedError
            add_line(self._head.headers, line, loose=self._loose)
        return self._head

    # --- the body

    def _begin_body(self, head: Head) -> None:
        frame(head, loose=self._loose)
        self._on_head(head)
        self._left = head.length or 0
        self._step = Decoder._read_size if head.chunked else Decoder._read_body

    def _read_body(self) -> bool:
        if not self._pass_rest_on():
            return False
        self._step = Decoder._begin
        self._on_end()
        return True

    def _pass_rest_on(self) -> bool:
        """Whether all that was left has come."""
        taken = min(self._left, len(self._data) - self._at)
        if taken:
            self._pass_on(taken)
        return not self._left

    def _pass_on(self, size: int) -> None:
        part = self._data[self._at : self._at + size]
        self._at += size
        self._left -= size
        self._on_body(part)

    # --- chunks

    def _read_size(self) -> bool:
        line = self._line(LINE_LIMIT)
        if line is None:
            return False
        match = (SIZE if self._loose else SIZE_STRICT).match(line)
        if match is None:
            raise MalformedError
        size = int(match[1], 16) % 2**32  # an int that runs over
        if size >= INT:
            raise ChunkSizeError if self._loose else MalformedError
        if size and self._data.startswith(b"\r\n", self._at + size):  # it is whole, as nearly all are
            self._left = size
            self._pass_on(size)
            self._at += 2
            return True
        self._left, self._step = size, Decoder._read_chunk if size else Decoder._read_trailer
        return True

    def _read_chunk(self) -> bool:
        if not self._pass_rest_on():
            return False
        self._step = Decoder._read_chunk_end
        return True

    def _read_chunk_end(self) -> bool:
        """The end of line after a chunk; the original passes over whatever stands before it."""
        end = self._data.find(b"\n", self._at) + 1
        passed = self._data[self._at : end or len(self._data)]
        if not self._loose and not b"\r\n".startswith(passed):
            raise MalformedError
        if end or self._loose:
            self._at += len(passed)
        self._step = Decoder._read_size if end else self._step
        return bool(end)

    def _read_trailer(self) -> bool:
        line = self._line(HEADER_LIMIT - self._size)
        if line is None:
            return False
        if line:
            self._size += len(line)
            add_line([("", "-")], line + b"\r", loose=self._loose)  # no handler sees it
            return True
        self._step = Decoder._begin
        self._on_end()
        return True

    def _line(self, limit: int) -> bytes | None:
        """The next line without its end; None if it is not whole."""
        end = self._data.find(b"\n", self._at, self._at + limit + 2)
        if end < 0:
            if len(self._data) - self._at > limit + 1:
                raise MalformedError
            return None
        line = self._data[self._at : end]
        if not self._loose and not line.endswith(b"\r"):
            raise MalformedError
        line = line.removesuffix(b"\r")
        if len(line) > limit:
            raise MalformedError
        self._at = end + 1
        return line
