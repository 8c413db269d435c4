"""Form bodies, URL-encoded and multipart, read with the tolerance of the original's decoder."""

from __future__ import annotations

import re

from rehearsal.server.errors import ApiError

Parts = list[tuple[str | None, bytes]]
# A key, perhaps `=` and a value, and what ends them; only a value can hold no end of line.
FIELD = re.compile(rb"([^=&]*)(?:(=)([^&\r\n]*))?(&|\r?\n|\Z)?", re.DOTALL)


def percent_decode(text: str, *, plus: bool = True) -> str:
    """`text` with %XX read as UTF-8. Raises the IllegalArgumentException of Netty for a broken escape."""
    if plus:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    out = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "%":
            out += text[at].encode("utf-8", "replace")
            at += 1
            continue
        code = text[at + 1 : at + 3]
        if len(code) < 2:
            raise ApiError.illegal_argument(f"unterminated escape sequence at end of string: {text}")
        if not re.fullmatch("[0-9a-fA-F]{2}", code):
            raise ApiError.illegal_argument(f"invalid hex byte '{code}' at index {at + 1} of '{text}'")
        out.append(int(code, 16))
        at += 3
    return out.decode("utf-8", "replace")


def form_fields(body: bytes) -> Parts:
    """The fields of an application/x-www-form-urlencoded body, up to the first end of line in a value.

    A last piece without `=` is no field: a JSON body sent that way (curl -d without a header) has none at all.
    """
    fields: Parts = []
    at = 0
    while match := FIELD.match(body, at):
        key, equals, value, end = match.groups()
        at = match.end()
        if equals or (key and end == b"&"):
            fields.append((_decode(key), _decode(value or b"").encode("utf-8", "replace")))
        if end != b"&":
            break
    return fields


def boundary(content_type: str) -> bytes | None:
    """The boundary of a multipart/form-data body; None for any other type, or one without that parameter.

    Raises the 500 that the original's decoder ends with for `boundary` and `boundary=`.
    """
    if not content_type.startswith("multipart/form-data"):  # no capital letters
        return None
    parameters = (part.strip() for part in content_type.split(";", 2)[1:])
    named = next((text for text in parameters if text[:8].lower() == "boundary"), None)
    if named is None:
        return None
    _, equals, value = named.partition("=")
    if not equals:
        raise ApiError(500, "ErrorDataDecoderException", "Needs a boundary value")
    if not value:
        raise ApiError(500, "StringIndexOutOfBoundsException", "String index out of range: 0")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return value.encode("latin-1", "replace")


def multipart_parts(body: bytes, boundary: bytes) -> Parts:
    """Name and data of each part; a body that does not begin with the boundary has none."""
    delimiter = b"--" + boundary
    start = body.find(delimiter)
    if start < 0 or body[:start].strip(b"\r\n"):
        return []
    parts: Parts = []
    for block in re.split(b"\r?\n" + re.escape(delimiter), body[start + len(delimiter) :]):
        if block.startswith(b"--"):
            break
        head, gap, data = _split_head(block.lstrip(b"\r\n") if block[:1] in b"\r\n" else block)
        name = _name(head)
        if gap and name is not None:
            parts.append((name, data))
    return parts


def _split_head(block: bytes) -> tuple[bytes, bytes, bytes]:
    at = re.search(b"\r?\n\r?\n", block)
    if at is None:
        return block, b"", b""
    return block[: at.start()], at[0], block[at.end() :]


def _name(head: bytes) -> str | None:
    for line in head.decode("utf-8", "replace").splitlines():
        if line.lower().startswith("content-disposition:"):
            match = re.search(r';\s*name=(?:"([^"]*)"|([^;\s]+))', line)
            return None if match is None else match[1] if match[1] is not None else match[2]
    return None


def _decode(data: bytes) -> str:
    try:
        return percent_decode(data.decode("utf-8", "replace"))
    except ApiError as error:  # the class of the outer exception, the message of the inner one
        raise ApiError(500, "ErrorDataDecoderException", error.message) from error
