"""A model's URL as `java.net.URI` reads it, and what the original says of one that leads nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from rehearsal.server.errors import ApiError
from rehearsal.server.java import INT_MAX, utf16_size

UNRESERVED, OTHER = r"A-Za-z0-9_.!~*'()\-", r"[^\x00-\x9f\s]"  # letters of other alphabets pass everywhere
PATH, ANY, NAME = rf"{UNRESERVED}:@&=+$,;/", rf"{UNRESERVED};/?:@&=+$,\[\]", rf"{UNRESERVED}$,;:@&=+"
LABEL, BYTE = r"[a-z\d](?:[a-z\d-]*[a-z\d])?", r"0*(?:25[0-5]|2[0-4]\d|1?\d?\d)"
SERVER = re.compile(
    rf"(?:[{UNRESERVED};:&=+$,%]*@)?"
    rf"((?:(?:{LABEL}\.)+(?=[a-z]))?{LABEL}\.?|(?:{BYTE}\.){{3}}{BYTE}|\[[\da-f:.]+\])?"
    r"(?::(?P<port>0*\d{0,10}))?",
    re.ASCII | re.IGNORECASE,
)
PROTOCOLS = {"file", "ftp", "http", "https", "jar", "jmod", "jrt", "mailto"}  # that the JVM has a handler for
NO_HOST = (
    'Cannot invoke "String.toLowerCase(java.util.Locale)" because the return value of "java.net.URI.getHost()" is null'
)


@dataclass(frozen=True)
class Uri:
    """The parts that matter; the path is what follows the scheme where that does not begin with a slash."""

    text: str
    scheme: str | None
    host: str | None
    path: str
    opaque: bool


def read_uri(text: str) -> Uri:
    """The parts of a URI. Raises the 500 IllegalArgumentException of `URI.create`."""
    scheme, start = _scheme(text)
    if scheme and text[start : start + 1] != "/":
        end = _first_of("#", text, start)
        if end == start:
            raise _refused(text, "Expected scheme-specific part", start)
        _check(text, start, end, ANY, "opaque part")
        _check(text, end + 1, len(text), ANY, "fragment")
        return Uri(text, scheme, None, unquote(text[start:end]), opaque=True)
    host = None
    if text.startswith("//", start):
        host, start = _authority(text, start + 2)
    end = _first_of("?#", text, start)
    _check(text, start, end, PATH, "path")
    rest = _first_of("#", text, end)
    _check(text, end + 1, rest, ANY, "query")
    _check(text, rest + 1, len(text), ANY, "fragment")
    return Uri(text, scheme, host, unquote(text[start:end]), opaque=False)


def no_folder(uri: Uri) -> ApiError:
    """What the original says of a URL that is neither a path nor `file:`, and that none of its loaders knows."""
    if uri.scheme == "djl":
        known = uri.host and uri.path.strip("/")
        return ApiError.illegal_argument(
            f"ModelZoo not found in classpath: {uri.host}" if known else f"Invalid djl URL: {uri.text}"
        )
    if uri.scheme == "jar" and not uri.opaque:
        return ApiError.illegal_argument(f"Resource not found: {uri.text}")
    if uri.scheme == "jar":
        return ApiError(500, "NullPointerException", 'Cannot invoke "String.startsWith(String)" because "p" is null')
    protocol = (uri.scheme or "").lower()
    if protocol not in PROTOCOLS:
        return ApiError.illegal_argument(f"unknown protocol: {protocol}")
    if uri.host is None:
        return ApiError(500, "NullPointerException", NO_HOST)
    return ApiError.no_model(f"Invalid model url: {uri.text}")


def _scheme(text: str) -> tuple[str | None, int]:
    """The scheme, and where what follows it begins."""
    colon = _first_of(":/?#", text, 0)
    if text[colon : colon + 1] != ":":
        return None, 0
    if colon == 0:
        raise _refused(text, "Expected scheme name", 0)
    match = re.match(r"[a-z][a-z\d+.-]*|", text, re.ASCII | re.IGNORECASE)
    end = match.end() if match else 0
    if end < colon:
        raise _refused(text, "Illegal character in scheme name", end)
    return text[:colon], colon + 1


def _authority(text: str, start: int) -> tuple[str | None, int]:
    """The host, where there is one, and where the path begins."""
    end = _first_of("/?#", text, start)
    if end == start == len(text):
        raise _refused(text, "Expected authority", start)
    part = text[start:end]
    if (match := SERVER.fullmatch(part)) and int(match["port"] or 0) <= INT_MAX:
        return match[1], end
    if part.startswith("[") and "]" not in part:
        raise _refused(text, "Expected closing bracket for IPv6 address", end)
    at = _good(text, start, end, NAME)
    if at < end:
        malformed = text[at] == "%"
        raise _refused(
            text, *(("Malformed escape pair", at) if malformed else ("Illegal character in authority", start))
        )
    return None, end


def _first_of(chars: str, text: str, start: int) -> int:
    return min((at for char in chars if (at := text.find(char, start)) >= 0), default=len(text))


def _check(text: str, start: int, end: int, allowed: str, what: str) -> None:
    at = _good(text, start, end, allowed)
    if at < end:
        raise _refused(text, "Malformed escape pair" if text[at] == "%" else f"Illegal character in {what}", at)


def _good(text: str, start: int, end: int, allowed: str) -> int:
    """Where the characters that may stand there end."""
    match = re.compile(rf"(?:[{allowed}]|%[0-9a-fA-F]{{2}}|{OTHER})*").match(text, start, end)
    return match.end() if match else start


def _refused(text: str, why: str, at: int) -> ApiError:
    return ApiError.illegal_argument(f"{why} at index {utf16_size(text[:at])}: {text}")
