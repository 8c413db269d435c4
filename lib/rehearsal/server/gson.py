"""JSON as Gson writes and reads it: the library by which DJLServing does both."""

from __future__ import annotations

import json

# Gson writes these as \u escapes, so that JSON may stand inside HTML.
HTML_CHARS = {ord(c): f"\\u{ord(c):04x}" for c in "'<>&=\u2028\u2029"}


class Number(str):
    """A number as it was written."""


def pretty(value: object) -> str:
    """`value` as Gson's pretty printer writes it; keys whose value is None are left out by the caller."""
    return json.dumps(value, indent=2, ensure_ascii=False).translate(HTML_CHARS)


def text_of(value: object) -> str:
    """A value as `getAsString` gives it. Raises ValueError for what has none: null, an object, a longer array."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1:
        return text_of(value[0])
    raise ValueError(value)
