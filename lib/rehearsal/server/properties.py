"""Reads Java properties files (serving.properties, config.properties) by Java's own rules."""

from __future__ import annotations

import re
from pathlib import Path

from rehearsal.server.errors import ApiError, ModelLoadError, SetupError


def load_properties(path: Path, *, as_utf8: bool = False) -> dict[str, str]:
    """The keys and values of a properties file, last value of a key winning; an absent file has none.

    Java reads it as ISO-8859-1, and DJL a model's once more as UTF-8. Raises SetupError for a file that cannot be
    read, and what Java says of a broken \\u escape, or of bytes that are no UTF-8.
    """
    import javaproperties

    if not path.is_file():
        return {}
    try:
        return javaproperties.loads(_decoded(path.read_bytes(), as_utf8=as_utf8))
    except javaproperties.InvalidUEscapeError as error:
        raise ApiError.illegal_argument("Malformed \\uxxxx encoding.") from error
    except OSError as error:
        raise SetupError(f"{path}: cannot be read as a Java properties file: {error}") from error


def _decoded(data: bytes, *, as_utf8: bool) -> str:
    try:
        return data.decode("utf-8" if as_utf8 else "iso-8859-1")
    except UnicodeDecodeError as error:
        half = re.match(rb"\xed[\xa0-\xbf][\x80-\xbf]?", data[error.start :])  # Java counts all that is there of a half
        text = f"Input length = {half.end() if half else error.end - error.start}"
        raise ModelLoadError("MalformedInputException", text) from error
