"""Multipart bodies, read as Netty's decoder does: what it skips, drops, cleans, and the errors that it ends with.

The standard library's parser is not used: it follows the RFCs, and what a client meets is where Netty does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rehearsal.server.errors import ApiError
from rehearsal.server.wire.charsets import python_charset
from rehearsal.server.wire.escapes import as_data, as_text, as_utf8, decode_between, find, slices
from rehearsal.server.wire.forms import Parts, add_part, field_name, refuse
from rehearsal.server.workers.codec import BLOCK, Data

CONTROL = re.compile(rb"[\x00-\x20\x7f-\x9f]*")
AFTER_DELIMITER = re.compile(rb"\r?\n|--(?:\r\n|\n|(?!\r))")
HEAD_LIMIT = 64 * 1024  # bytes of the head of a part; the original has none, and takes minutes for what is no head
JAVA_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z+\-.:_]*")
NAME = re.compile(r"[^:\t-\r\x1c- ]*")
BLANKS, TRIMMED = "\t\n\v\f\r\x1c\x1d\x1e\x1f ", "".join(map(chr, range(33)))
CLEANED = str.maketrans(dict.fromkeys(":,=;\t", " ") | {'"': None})
NO_NAME = 'Cannot invoke "io.netty.handler.codec.http.multipart.Attribute.getValue()" because "nameAttribute" is null'
NO_VALUE = 'Cannot invoke "String.length()" because "field" is null'
ENCODINGS = ("7bit", "8bit", "binary")


@dataclass(frozen=True)
class Boundary:
    """The delimiter of a body, and the charset of the lines in its parts' heads."""

    delimiter: str
    charset: str = "utf-8"


def boundary(content_type: str) -> Boundary | None:
    """The boundary of a multipart/form-data body; None for any other type, or one without that parameter.

    Raises the 500 that the original's decoder ends with for a boundary or a charset that it cannot use.
    """
    if not content_type.startswith("multipart/form-data"):  # no capital letters
        return None
    first, _, second = (part.strip() for part in content_type.partition(";")[2].partition(";"))
    if first[:8].lower() != "boundary":
        first, second = second, first
    if first[:8].lower() != "boundary":
        return None
    _, equals, value = first.partition("=")
    if not equals:
        refuse("Needs a boundary value")
    name, equals, charset = second.partition("=")
    named = name[:7].lower() == "charset" and equals
    delimiter = "--" + _unquoted(value)
    if not named:
        return Boundary(delimiter)
    return Boundary(
        delimiter, _charset(charset, illegal="ErrorDataDecoderException", unknown="UnsupportedCharsetException")
    )


def _unquoted(value: str) -> str:
    if not value:
        raise ApiError(500, "StringIndexOutOfBoundsException", "String index out of range: 0")
    if value == '"':
        raise ApiError(500, "StringIndexOutOfBoundsException", "begin 1, end 0, length 1")
    return value[1:-1] if value[0] == value[-1] == '"' else value


def multipart_parts(body: bytes, found: Boundary) -> Parts:
    """Name and data of each part that is whole: its closing delimiter has come."""
    return _Decoder(body, found).parts()


@dataclass
class _Decoder:
    """The state of the decoder: where it is, and what the head of a part said."""

    body: bytes
    outer: Boundary
    at: int = 0
    mixed: str | None = None  # the delimiter of the parts in a part
    head: dict[str, str] = field(default_factory=dict)  # by lower-case name
    _opens_mixed: bool = False

    def parts(self) -> Parts:
        found: Parts = []
        while self._reach_part():
            if not self._read_head():
                break
            if self._opens_mixed:
                continue
            if self.mixed is not None and "filename" not in self.head:
                refuse("Filename not found")
            taken = self._data()
            if taken is None:
                break
            add_part(found, *taken)
        return found

    # --- from one part to the next

    def _reach_part(self) -> bool:
        """Passes the next delimiter; False at the end of the parts, or where no delimiter is whole."""
        while True:
            self._opens_mixed = False
            self.at = self._skipped()
            delimiter = (self.mixed or self.outer.delimiter).encode(self.outer.charset, "replace")
            place = find(self.body, delimiter, self.at)
            if place < 0:
                return False
            after = AFTER_DELIMITER.match(self.body, place + len(delimiter))
            if after is None:
                return False
            self.at = after.end()
            if after[0][:1] != b"-":
                self.head = self.head if self.mixed else {}
                return True
            if self.mixed is None:
                return False
            self.mixed = None

    def _skipped(self) -> int:
        at = self.at
        while (match := CONTROL.match(self.body, at, at + BLOCK)) and match.end() == at + BLOCK:
            at = match.end()
        return match.end() if match else at

    def _read_head(self) -> bool:
        """Reads lines up to an empty one, or to the line that opens parts in this part."""
        start = self.at
        while not self._skip_line():
            self.at = self._skipped()
            end = self.body.find(b"\n", self.at)
            if end < 0:
                return False
            if end - start > HEAD_LIMIT:
                refuse(f"the head of a part is over {HEAD_LIMIT} bytes")
            line = self.body[self.at : end].removesuffix(b"\r")
            self.at = end + 1
            self._note(_values(as_text(line, self.outer.charset)))
            if self._opens_mixed:
                break
        return True

    def _skip_line(self) -> bool:
        size = 2 if self.body[self.at : self.at + 2] == b"\r\n" else int(self.body[self.at : self.at + 1] == b"\n")
        self.at += size
        return bool(size)

    # --- the head of a part

    def _note(self, values: list[str]) -> None:
        name = values[0].lower()
        if name == "content-disposition":
            kinds = ("form-data",) if self.mixed is None else ("attachment", "file")
            for parameter in values[2:] if _at(values, 1).lower() in kinds else ():
                key, value = _disposition(parameter)
                self.head[key.lower()] = value
        elif name in ("content-transfer-encoding", "content-length"):
            self.head[name] = _cleaned(_at(values, 1))
        elif name == "content-type":
            self._note_type(values)

    def _note_type(self, values: list[str]) -> None:
        if _at(values, 1).lower() == "multipart/mixed":
            if self.mixed is not None:
                refuse("Mixed Multipart found in a previous Mixed Multipart")
            _, equals, value = _at(values, 2).partition("=")
            self.mixed, self._opens_mixed = "--" + (value if equals else "null"), True
            return
        for text in values[1:]:
            key, equals, value = text.partition("=")
            if text[:7].lower() == "charset":
                self.head["charset"] = _cleaned(value) if equals else refuse(NO_VALUE)
            elif equals:
                field_name(_cleaned(key))
                self.head[key.lower()] = value
            else:
                self.head["content-type"] = text

    # --- the data of a part

    def _data(self) -> tuple[str, Data] | None:
        """Name and data of the part that begins here; None if its closing delimiter has not come."""
        is_file = "filename" in self.head
        if is_file and self.head.get("content-transfer-encoding", "7bit").lower() not in ENCODINGS:
            refuse(f"TransferEncoding Unknown: {self.head['content-transfer-encoding'].lower()}")
        charset = _charset(self.head["charset"]) if "charset" in self.head else "utf-8"
        name = field_name(_cleaned(self.head["name"] if "name" in self.head else refuse(NO_NAME)))
        delimiter = (self.mixed or self.outer.delimiter).encode(charset, "replace")
        end = self._end(delimiter)
        if end is None or self.at == len(self.body):
            return None
        start, self.at = self.at, end
        if is_file and 0 < (size := _length(self.head.get("content-length", ""))) < end - start:
            refuse(f"Out of size: {end - start} > {size}")
        pieces = list(slices(self.body, start, end))
        data = as_data(pieces) if is_file else as_utf8(pieces, charset)
        for passed in ("charset", "content-length", "content-transfer-encoding", "content-type", "filename"):
            self.head.pop(passed, None)
        return name, data

    def _end(self, delimiter: bytes) -> int | None:
        if self.body.startswith(delimiter, self.at):
            return self.at
        end = find(self.body, b"\n" + delimiter, self.at)
        if end < 0:
            return None
        return end - (end > self.at and self.body[end - 1 : end] == b"\r")


def _values(line: str) -> list[str]:
    """The name of a header of a part, and its values: between `;` outside quotes, or between commas."""
    match = NAME.match(line)
    name = match[0] if match else ""
    value = line[len(name) :].partition(":")[2].strip(BLANKS)
    parts = _outside_quotes(value) if ";" in value else _between_commas(value)
    return [name, *(part.strip(TRIMMED) for part in parts)]


def _between_commas(value: str) -> list[str]:
    """As Java splits: empty ones at the end are dropped, but for that of an empty text."""
    parts = value.rstrip(",").split(",")
    return [] if value and parts == [""] else parts


def _outside_quotes(value: str) -> list[str]:
    parts, start, quoted, escaped = [], 0, False, False
    for at, char in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == ";" and not quoted:
            parts.append(value[start:at])
            start = at + 1
    return [*parts, value[start:]]


def _disposition(parameter: str) -> tuple[str, str]:
    key, equals, value = parameter.partition("=")
    if not equals:
        raise ApiError(500, "ArrayIndexOutOfBoundsException", "Index 1 out of bounds for length 1")
    name = _cleaned(key)
    if name == "filename*":
        name, value = "filename", _extended(_cleaned(value))
    elif name != "filename":
        value = _cleaned(value)
    return field_name(name), value


def _extended(value: str) -> str:
    """A value with its charset and language in front, as RFC 5987 has it."""
    parts = value.split("'", 2)
    if len(parts) < 3:
        refuse(f"Index 2 out of bounds for length {len(parts)}")
    try:
        _charset(parts[0])
        return decode_between(parts[2], 0, len(parts[2]))
    except ApiError as error:
        refuse(str(error.message))


def _at(values: list[str], index: int) -> str:
    if index >= len(values):
        text = f"Index {index} out of bounds for length {len(values)}"
        raise ApiError(500, "ArrayIndexOutOfBoundsException", text)
    return values[index]


def _cleaned(text: str) -> str:
    return text.translate(CLEANED).strip(TRIMMED)


def _length(text: str) -> int:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else 0


def _charset(
    name: str, *, illegal: str = "IllegalCharsetNameException", unknown: str = "ErrorDataDecoderException"
) -> str:
    """The name of a charset, checked. Raises what the original does for one that is none, or that Java lacks."""
    if not JAVA_NAME.fullmatch(name):
        raise ApiError(500, illegal, name)
    if known := python_charset(name):
        return known
    raise ApiError(500, unknown, name)
