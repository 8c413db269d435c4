"""Form bodies, URL-encoded and multipart, read with the tolerance of the original's decoder."""

from __future__ import annotations

import re

from .errors import ApiError

Parts = list[tuple[str | None, bytes]]


def form_fields(body: bytes) -> Parts:
    """The fields of an application/x-www-form-urlencoded body.

    A last piece without `=` is no field: a JSON body sent that way (curl -d without a header) has none at all.
    """
    fields: Parts = []
    pieces = body.strip(b"\r\n").split(b"&")
    for i, piece in enumerate(pieces):
        key, equals, value = piece.partition(b"=")
        if not equals and (i == len(pieces) - 1 or not key):
            continue
        fields.append((_unescape(key).decode("utf-8", "replace"), _unescape(value)))
    return fields


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


def _unescape(data: bytes) -> bytes:
    data = data.replace(b"+", b" ")
    if re.search(b"%(?![0-9a-fA-F]{2})", data):
        text = data.decode("utf-8", "replace")
        raise ApiError(400, "ErrorDataDecoderException", f"Bad string: '{text}'")
    return re.sub(b"%([0-9a-fA-F]{2})", lambda match: bytes([int(match[1], 16)]), data)
