"""Text as Netty reads it: %-escapes, and bytes that become a string and bytes again.

A form may be 60 MB. Each call into C looks at a slice of it, so that a thread that reads one lets the others go on.
"""

from __future__ import annotations

import codecs
import re
from binascii import unhexlify
from collections.abc import Iterator

from rehearsal.server.errors import ApiError

SLICE = 256 * 1024
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


def decode_value(data: bytes) -> bytes:
    """The value of a form field, as bytes. Raises the error that the form decoder has for a broken escape."""
    if b"%" not in data and b"+" not in data:
        return data
    at, decoded = 0, []
    for piece in _slices(data):
        if b"%" in piece and (broken := BROKEN_BYTE.search(piece)):
            place = f"Invalid hex byte at index '{at + broken.start()}' in string"
            raise ApiError(500, "ErrorDataDecoderException", f"{place}: '{as_text(data[:SLICE])}'")
        at += len(piece)
        piece = piece.replace(b"+", b" ")
        decoded.append(RUN_OF_BYTES.sub(_unescaped, piece) if b"%" in piece else piece)
    return b"".join(decoded)


def _unescaped(run: re.Match[bytes]) -> bytes:
    return unhexlify(run[0].replace(b"%", b""))


def _slices(data: bytes) -> Iterator[bytes]:
    """The data in pieces that end before an escape, not in one."""
    at = 0
    while at < len(data):
        end = at + SLICE
        cut = data.find(b"%", end - 2, end) if end < len(data) else -1
        end = end if cut < 0 else cut
        yield data[at:end]
        at = end


def as_text(data: bytes, charset: str = "utf-8") -> str:
    """The bytes as a string, with U+FFFD for what is none."""
    return data.decode(charset, "replace") if len(data) <= SLICE else "".join(_texts(data, charset))


def as_utf8(data: bytes, charset: str = "utf-8") -> bytes:
    """The bytes as they are after a string was made of them."""
    if charset == "utf-8" and data.isascii():
        return data
    return b"".join(text.encode("utf-8", "replace") for text in _texts(data, charset))


def _texts(data: bytes, charset: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(charset)("replace")
    for at in range(0, len(data), SLICE):
        yield decoder.decode(data[at : at + SLICE])
    yield decoder.decode(b"", final=True)
