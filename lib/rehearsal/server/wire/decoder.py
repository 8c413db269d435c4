"""Bytes of a connection to requests, by the rules of Netty's decoder and of the aggregator behind it.

A parser from a library is not used, on purpose: what the contract fixes is what each of them refuses (any word is a
method, any `WORD/1.2` a version, a blank line may end in LF alone, chunked wins over Content-Length), and where lines
end decides what a handler sees. With `loose` off, everything that two servers may read differently is refused
(RFC 9112), so that no proxy in front can be led to pass on one request as two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

LINE_LIMIT, HEADER_LIMIT = 4096, 8192  # bytes; Netty's defaults
HEAD_LIMIT = 32 * 1024  # bytes in which a head that keeps the limits has ended, whatever its lines
INT = 2**31
HTTP_1_1 = ("HTTP", 1, 1)
TRIMMED = "".join(map(chr, range(33)))  # by Java's trim
BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f "
BEFORE, BEFORE_STRICT = re.compile(rb"[\x00-\x20]*"), re.compile(rb"[\r\n]*")  # passed over before a request
HEAD_END, EMPTY_LINE = re.compile(rb"\n\r?\n"), re.compile(rb"\r?\n")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
TOKEN_BYTE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]")
WORD = r"([^ \t\v\f\r\x1c-\x1f][^ \t\v\f\r]*)"
FIRST_LINE = re.compile(rf"{WORD}[ \t\v\f\r]+{WORD}[ \t\v\f\r]+([^ \t\v\f\r\x1c-\x1f].*)", re.DOTALL)
NO_METHOD = re.compile(r"[\x00-\x20\x7f-\x9f]")
VERSION = re.compile(r"([^ \t\n\v\f\r]+)/([0-9]+)\.([0-9]+)")
NO_VALUE = re.compile(r"[\x00-\x08\n-\x1f\x7f]")
SIZE = re.compile(rb"[\t-\r\x1c-\x20]*([0-9a-fA-F]+)(?:[;\x00-\x20]|\Z)")
SIZE_STRICT = re.compile(rb"([0-9a-fA-F]{1,8})(?:[ \t]*;[^\x00-\x08\n-\x1f\x7f]*)?\Z")
Known = dict[bytes, tuple[str, str]]
FIRST_LINES: Known = {}
HEADERS: Known = {}  # clients send the same lines again and again, and a look-up is quicker than any parser
LEARNT, LEARNT_LENGTH = 512, 128  # lines, and bytes of one


class MalformedError(Exception):
    """Bytes that are no HTTP; `line` is the request they came in, where one was read."""

    def __init__(self, line: str = "GET /bad-request HTTP/1.0") -> None:
        super().__init__(line)
        self.line = line


class ChunkSizeError(Exception):
    """A chunk of a size that the original fails on without an answer."""


@dataclass(slots=True)
class Head:
    """The first line and the headers of a request."""

    method: str
    target: str
    version: tuple[str, int, int] = HTTP_1_1
    exact: bool = True  # the version was written in capitals and without zeros
    headers: list[tuple[str, str]] = field(default_factory=list)
    length: int | None = None  # what Content-Length says, where it counts
    chunked: bool = False
    expects: str | None = None  # only where the version knows of that

    @property
    def keeps_alive(self) -> bool:
        """Whether the client leaves the connection open."""
        words = _words([value for name, value in self.headers if name.lower() == "connection"])
        is_old = self.exact and self.version == ("HTTP", 1, 0)
        return "close" not in words and (not is_old or "keep-alive" in words)

    @property
    def line(self) -> str:
        """The first line as the access log has it."""
        name, major, minor = self.version
        return f"{self.method} {self.target} {name}/{major}.{minor}"


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

    def feed(self, data: bytes) -> None:
        """Takes bytes. Raises MalformedError or ChunkSizeError, and takes no notice of what comes then."""
        self._data = self._data + data if self._data else data
        try:
            while self._step(self):
                pass
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
        if not self._loose and (end := self._data.find(b"\r\n\r\n", self._at, self._at + HEAD_LIMIT)) >= 0:
            return end + 4  # an empty line before it without CR is refused as its line is read
        found = EMPTY_LINE.match(self._data, self._at) if self._head is not None else None
        found = found or HEAD_END.search(self._data, self._at, self._at + HEAD_LIMIT)
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
            words = FIRST_LINES.get(line)
            self._head = Head(*words) if words else self._first_line(line)
            if len(block) < HEADER_LIMIT and block.endswith(b"\r\n\r\n"):
                lines = block.split(b"\r\n")[:-2]
                learnt = [pair for header in lines if (pair := HEADERS.get(header))]
                if len(learnt) == len(lines):
                    self._head.headers, self._size = learnt, len(block)
                    return self._head
        for line in block.split(b"\n")[:-1]:
            self._size += len(line) - line.endswith(b"\r")
            if self._size > HEADER_LIMIT:
                raise MalformedError
            self._add_header(self._head.headers, line)
        return self._head

    def _without_end(self, line: bytes) -> str:
        """A line that ended in LF, without the CR before it."""
        if not self._loose and not line.endswith(b"\r"):
            raise MalformedError
        return line.removesuffix(b"\r").decode("latin-1")

    def _first_line(self, line: bytes) -> Head:
        text = self._without_end(line)
        match = FIRST_LINE.fullmatch(text) if len(text) <= LINE_LIMIT else None
        last = match[3].strip(TRIMMED) if match else ""
        version = VERSION.fullmatch(last.upper())
        if not match or not version or NO_METHOD.search(match[1]):
            raise MalformedError
        name, *numbers = version.groups()
        if max(map(len, numbers)) > 4000 or max(map(int, numbers)) >= INT:
            raise MalformedError
        if last == "HTTP/1.1" and line.endswith(b"\r"):
            _learn(FIRST_LINES, line, (match[1], match[2]))
        return Head(match[1], match[2], (name, int(numbers[0]), int(numbers[1])), last in ("HTTP/1.1", "HTTP/1.0"))

    def _add_header(self, headers: list[tuple[str, str]], line: bytes) -> None:
        text = self._without_end(line)
        if not text:  # the end of the head
            return
        if text[0] in " \t":
            if not self._loose:
                raise MalformedError
            if headers:
                name, value = headers.pop()
                headers.append((name, _checked(f"{value} {text.strip(TRIMMED)}")))
                return
            text = text.lstrip(" \t")
        name, colon, value = text.partition(":")
        if not colon or not TOKEN.fullmatch(name):
            raise MalformedError
        value = value.strip(" \t")
        headers.append((name, value if value.isprintable() else _checked(value, at_end=BLANKS)))
        if line[:1] not in b" \t" and line.endswith(b"\r"):
            _learn(HEADERS, line[:-1], headers[-1])

    # --- the body

    def _begin_body(self, head: Head) -> None:
        lengths, codings = [], []
        for name, value in head.headers:
            size = len(name)
            if size == 14 and name.lower() == "content-length":
                lengths.append(value)
            elif size == 17 and name.lower() == "transfer-encoding":
                codings.append(value)
            elif size == 6 and head.expects is None and name.lower() == "expect" and head.version >= HTTP_1_1:
                head.expects = value
        if lengths:
            self._note_lengths(head, lengths)
        if codings:
            self._note_codings(head, codings, lengths)
        self._on_head(head)
        self._left = head.length or 0
        self._step = Decoder._read_size if head.chunked else Decoder._read_body

    def _note_lengths(self, head: Head, lengths: list[str]) -> None:
        head.length = self._length(lengths, head.version)
        if len(lengths) > 1 or lengths[0] != str(head.length):
            head.headers = _without(head, "content-length")
            head.headers.append(("content-length", str(head.length)))

    def _note_codings(self, head: Head, codings: list[str], lengths: list[str]) -> None:
        lower = [coding.lower() for coding in codings]
        if not self._loose and (lengths or lower != ["chunked"]):
            raise MalformedError
        head.chunked = "chunked" in _words(lower)
        if head.chunked and lengths and head.exact and head.version == HTTP_1_1:
            head.headers, head.length = _without(head, "content-length"), None
        kept = [("transfer-encoding", coding) for coding in codings if coding.lower() != "chunked"]
        head.headers = _without(head, "transfer-encoding") + kept

    def _length(self, lengths: list[str], version: tuple[str, int, int]) -> int:
        first = lengths[0]
        if len(lengths) == 1 and len(first) < 10 and first.isascii() and first.isdigit():
            return int(first)
        is_old = version[1:] <= (1, 0)
        if (len(lengths) > 1 or "," in first) and not (self._loose and is_old):
            raise MalformedError
        if not (first.isascii() and first.isdigit()) or len(digits := first.lstrip("0")) > 19:
            raise MalformedError
        if (length := int(digits or "0")) >= 2**63:
            raise MalformedError
        return length

    def _read_body(self) -> bool:
        taken = min(self._left, len(self._data) - self._at)
        if taken:
            self._pass_on(taken)
        if self._left:
            return False
        self._step = Decoder._begin
        self._on_end()
        return True

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
        self._left, self._step = size, Decoder._read_chunk if size else Decoder._read_trailer
        return True

    def _read_chunk(self) -> bool:
        taken = min(self._left, len(self._data) - self._at)
        if taken:
            self._pass_on(taken)
        if self._left:
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
            self._add_header([("", "-")], line + b"\r")  # no handler sees it
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


def _learn(known: Known, line: bytes, words: tuple[str, str]) -> None:
    if len(line) < LEARNT_LENGTH:
        if len(known) >= LEARNT:
            known.clear()
        known[line] = words


def _checked(value: str, *, at_end: str = "") -> str:
    """A header's value, if it may be one, without what is dropped at its end."""
    if value and value[0] in BLANKS:
        raise MalformedError
    value = value.rstrip(at_end)
    if NO_VALUE.search(value):
        raise MalformedError
    return value


def _without(head: Head, name: str) -> list[tuple[str, str]]:
    return [pair for pair in head.headers if pair[0].lower() != name]


def _words(values: list[str]) -> set[str]:
    return {word.strip(" \t").lower() for value in values for word in value.split(",")}
