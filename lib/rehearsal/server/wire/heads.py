"""The head of a request: its first line and headers, and what they say about the body, by the rules of Netty."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LINE_LIMIT, HEADER_LIMIT = 4096, 8192  # bytes; Netty's defaults
Pairs = list[tuple[str, str]]
INT = 2**31
HTTP_1_1 = ("HTTP", 1, 1)
TRIMMED = "".join(map(chr, range(33)))  # by Java's trim
BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f "
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
WORD = r"([^ \t\v\f\r\x1c-\x1f][^ \t\v\f\r]*)"
FIRST_LINE = re.compile(rf"{WORD}[ \t\v\f\r]+{WORD}[ \t\v\f\r]+([^ \t\v\f\r\x1c-\x1f].*)", re.DOTALL)
NO_METHOD = re.compile(r"[\x00-\x20\x7f-\x9f]")
VERSION = re.compile(r"([^ \t\n\v\f\r]+)/([0-9]+)\.([0-9]+)")
NO_VALUE = re.compile(r"[\x00-\x08\n-\x1f\x7f]")
Known = dict[bytes, tuple[str, str]]
FIRST_LINES: Known = {}
HEADERS: Known = {}  # clients send the same lines again and again, and a look-up is quicker than any parser
LEARNT, LEARNT_LENGTH = 512, 128  # lines, and bytes of one


class MalformedError(Exception):
    """Bytes that are no HTTP; `line` is the request they came in, where one was read."""

    def __init__(self, line: str = "GET /bad-request HTTP/1.0") -> None:
        super().__init__(line)
        self.line = line


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


def start_head(line: bytes, *, loose: bool) -> Head:
    """The head that a first line begins. Raises MalformedError."""
    if words := FIRST_LINES.get(line):
        return Head(*words)
    text = _without_end(line, loose=loose)
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


def add_line(headers: Pairs, line: bytes, *, loose: bool) -> None:
    """Adds what a line that ended in LF says. Raises MalformedError."""
    text = _without_end(line, loose=loose)
    if not text:  # the end of the head
        return
    if text[0] in " \t":
        if not loose:
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


def learnt_headers(block: bytes) -> Pairs | None:
    """The headers of whole lines up to an empty one, if each line has come before."""
    if len(block) >= HEADER_LIMIT or not block.endswith(b"\r\n\r\n"):
        return None
    lines = block.split(b"\r\n")[:-2]
    learnt = [pair for header in lines if (pair := HEADERS.get(header))]
    return learnt if len(learnt) == len(lines) else None


def frame(head: Head, *, loose: bool) -> None:
    """Notes what the headers say about the body, and what becomes of them. Raises MalformedError."""
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
        _note_lengths(head, lengths, loose=loose)
    if codings:
        _note_codings(head, codings, lengths, loose=loose)


def _without_end(line: bytes, *, loose: bool) -> str:
    """A line that ended in LF, without the CR before it."""
    if not loose and not line.endswith(b"\r"):
        raise MalformedError
    return line.removesuffix(b"\r").decode("latin-1")


def _note_lengths(head: Head, lengths: list[str], *, loose: bool) -> None:
    head.length = _length(lengths, head.version, loose=loose)
    if len(lengths) > 1 or lengths[0] != str(head.length):
        head.headers = _without(head, "content-length")
        head.headers.append(("content-length", str(head.length)))


def _note_codings(head: Head, codings: list[str], lengths: list[str], *, loose: bool) -> None:
    lower = [coding.lower() for coding in codings]
    if not loose and (lengths or lower != ["chunked"] or head.version < HTTP_1_1):
        raise MalformedError
    head.chunked = "chunked" in _words(lower)
    if head.chunked and lengths and head.exact and head.version == HTTP_1_1:
        head.headers, head.length = _without(head, "content-length"), None
    kept = [("transfer-encoding", coding) for coding in codings if coding.lower() != "chunked"]
    head.headers = _without(head, "transfer-encoding") + kept


def _length(lengths: list[str], version: tuple[str, int, int], *, loose: bool) -> int:
    first = lengths[0]
    if len(lengths) == 1 and len(first) < 10 and first.isascii() and first.isdigit():
        return int(first)
    is_old = version[1:] <= (1, 0)
    if (len(lengths) > 1 or "," in first) and not (loose and is_old):
        raise MalformedError
    if not (first.isascii() and first.isdigit()) or len(digits := first.lstrip("0")) > 19:
        raise MalformedError
    if (length := int(digits or "0")) >= 2**63:
        raise MalformedError
    return length


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
