"""URL-encoded form bodies, read with the tolerance and the errors of the original's decoder."""

from __future__ import annotations

import re
from typing import NoReturn

from rehearsal.server.errors import ApiError
from rehearsal.server.wire.escapes import as_text, as_utf8, decode_between, decode_value
from rehearsal.server.workers.codec import BLOCK, SHORT_MAX, Data

Parts = list[tuple[str | None, Data]]
URL_ENCODED = "application/x-www-form-urlencoded"
EMPTY = re.compile(rb"&+")
BLANKS = " \t\n\v\f\r"


def form_fields(body: bytes) -> Parts:
    """The fields of an application/x-www-form-urlencoded body, up to the first end of line in a value.

    A last piece without `=` is no field: a JSON body sent that way (curl -d without a header) has none at all.
    """
    fields: Parts = []
    ahead = _Ahead(body)
    at = 0
    while at < len(body):
        if body[at : at + 1] == b"&" and (run := EMPTY.match(body, at, at + BLOCK)):  # an empty piece is no field
            at = run.end()
            continue
        equals, ampersand = ahead.find(b"=", at), ahead.find(b"&", at)
        if equals == ampersand:  # neither: no field
            break
        if ampersand < equals:
            add_part(fields, field_name(_key(body[at:ampersand])), b"")
            at = ampersand + 1
            continue
        name = field_name(_key(body[at:equals]))
        end = min(ampersand, ahead.find(b"\r", equals), ahead.find(b"\n", equals))
        if body[end : end + 1] == b"\r" and body[end + 1 : end + 2] not in (b"\n", b""):
            refuse("Bad end of line")
        add_part(fields, name, as_utf8(decode_value(body, equals + 1, end)))
        at = end + 1 if end == ampersand else len(body)
    return fields


class _Ahead:
    """Where bytes come next, each looked for once: what finds nothing finds the end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._found: dict[bytes, int] = {}

    def find(self, byte: bytes, at: int) -> int:
        """The next place of a byte, from `at` on."""
        found = self._found.get(byte, -1)
        if found < at:
            found = self._body.find(byte, at)
            self._found[byte] = found = len(self._body) if found < 0 else found
        return found


def field_name(text: str) -> str:
    """A name as the decoder cleans it. Raises its error for one that is empty then."""
    name = text.replace("\r", " ").replace("\t", " ").strip(BLANKS).replace("\n", "")
    return name or refuse("Param 'name' must not be empty")


def add_part(parts: Parts, name: str, data: Data) -> None:
    """Adds a field, or raises the error of a message that cannot be written for the worker."""
    if len(parts) == SHORT_MAX:
        raise ApiError.illegal_argument(f"more than {SHORT_MAX} form fields, which no message to a worker holds")
    parts.append((name, data))


def refuse(message: str) -> NoReturn:
    """Raises the decoder's error."""
    raise ApiError(500, "ErrorDataDecoderException", message)


def _key(data: bytes) -> str:
    if len(data) > 3 * SHORT_MAX:
        raise ApiError.illegal_argument(f"a form field's name is over {SHORT_MAX} bytes, which no message holds")
    text = as_text(data)
    try:
        return decode_between(text, 0, len(text))
    except ApiError as error:  # the class of the outer exception, the message of the inner one
        refuse(str(error.message))
