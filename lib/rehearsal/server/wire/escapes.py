"""Text as Netty reads it: %-escapes, and bytes that become a string and bytes again.

A form may be 60 MB. Each call into C looks at a slice of it, so that a thread that reads one lets the others go on.
"""

from __future__ import annotations

import codecs
import re
from binascii import unhexlify
from collections.abc import Iterator

from rehearsal.server.errors import ApiError
from rehearsal.server.workers.codec import BLOCK, Data, size_of

SLICE = BLOCK // 4  # bytes: a thread lets the others go on between two calls of C, not in one
RUN = re.compile(r"(?:%[0-9a-fA-F]{2})+")
BROKEN = re.compile(r"%(?![0-9a-fA-F]{2})")
RUN_OF_BYTES = re.compile(rb"(?:%[0-9a-fA-F]{2})+")
BROKEN_BYTE = re.compile(rb"%(?![0-9a-fA-F]{2})")


def decode_between(text: str, start: int, end: int, *, plus: bool = True) -> str:
    """`text[start:end]` with %XX read as UTF-8. Raises the IllegalArgumentException of a broken escape.

    Its message names the place in all of `text`, of which the path or a parameter is only a part.
    """
    part = text[start:end]
    if plus and "+" in part:
        part = part.replace("+", " ")
    if "%" not in part:
        return part
    broken = BROKEN.search(part)
    if broken is not None:
        raise _broken_escape(text, start + broken.start(), end)
    return RUN.sub(lambda run: unhexlify(run[0].replace("%", "")).decode("utf-8", "replace"), part)


def _broken_escape(text: str, at: int, end: int) -> ApiError:
    if at + 3 > end:
        return ApiError.illegal_argument(f"unterminated escape sequence at index {at} of: {text}")
    return ApiError.illegal_argument(f"invalid hex byte '{text[at + 1 : at + 3]}' at index {at + 1} of '{text}'")


def decode_value(data: bytes, start: int, end: int) -> list[bytes]:
    """The value of a form field, in slices. Raises the error that the form decoder has for a broken escape."""
    at, decoded = start, []
    for piece in slices(data, start, end):
        if b"%" in piece and (broken := BROKEN_BYTE.search(piece)):
            place = f"Invalid hex byte at index '{at - start + broken.start()}' in string"
            shown = as_text(data[start : min(end, start + SLICE)])
            raise ApiError(500, "ErrorDataDecoderException", f"{place}: '{shown}'")
        at += len(piece)
        piece = piece.replace(b"+", b" ")
        decoded.append(RUN_OF_BYTES.sub(_unescaped, piece) if b"%" in piece else piece)
    return decoded


def _unescaped(run: re.Match[bytes]) -> bytes:
    return unhexlify(run[0].replace(b"%", b""))


def slices(data: bytes, start: int, end: int) -> Iterator[bytes]:
    """A part of a body in pieces that end before an escape, not in one."""
    while start < end:
        stop = min(end, start + SLICE)
        cut = data.find(b"%", stop - 2, stop) if stop < end else -1
        stop = stop if cut < 0 else cut
        yield data[start:stop]
        start = stop


def find(data: bytes, wanted: bytes, start: int) -> int:
    """`data.find`, a slice at a time: what is nearly found everywhere takes a second for 60 MB."""
    for at in range(start, len(data), BLOCK):
        if (found := data.find(wanted, at, at + BLOCK + len(wanted) - 1)) >= 0:
            return found
    return -1


def as_text(data: bytes, charset: str = "utf-8") -> str:
    """The bytes as a string, with U+FFFD for what is none."""
    return data.decode(charset, "replace")


def as_utf8(pieces: list[bytes], charset: str = "utf-8") -> Data:
    """The pieces as they are after a string was made of them."""
    if charset != "utf-8" or not all(map(bytes.isascii, pieces)):
        pieces = [text.encode("utf-8", "replace") for text in _texts(pieces, charset)]
    return as_data(pieces)


def as_data(pieces: list[bytes]) -> Data:
    """The pieces as one, if they are no large body."""
    return pieces if size_of(pieces) > BLOCK else b"".join(pieces)


def _texts(pieces: list[bytes], charset: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(charset)("replace")
    yield from map(decoder.decode, pieces)
    yield decoder.decode(b"", final=True)
