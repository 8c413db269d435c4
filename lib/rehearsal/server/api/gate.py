"""Who may ask a server that listens on loopback: programs of this machine, and no web page of another site.

A browser lets every page send requests to 127.0.0.1, and one whose name leads there (DNS rebinding) read the answers.
Both say so in the request: in `Origin` or `Sec-Fetch-Site`, and in `Host`. Other clients send neither of the first two.
"""

from __future__ import annotations

import re

from rehearsal.server.errors import ApiError
from rehearsal.server.wire.requests import Request

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
ENGINES = {"host.docker.internal", "host.containers.internal"}  # this machine, as containers on it call it
LENGTHS = {len(name) for name in ("host", "origin", "sec-fetch-site")}
HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")


class Gate:
    """Lets requests through, or refuses them with 403."""

    def __init__(self, host: str, allowed_origins: str = "") -> None:
        """`host` is the address it listens on; `allowed_origins` are those of `cors_allowed_origin`."""
        self._named = {origin.rstrip("/") for origin in re.split(r"[\s,]+", allowed_origins.lower()) if origin}
        self._own = LOOPBACK | {host.lower(), f"[{host.lower()}]"}
        self._hosts = self._own | ENGINES | {_host(origin) for origin in self._named}
        self._last = ""  # name that was let in

    def __call__(self, request: Request) -> None:
        """Raises the 403 of a request that a web page of another site has sent."""
        if "*" in self._named:
            return
        is_ours = is_other = False
        for name, value in request.headers:
            if len(name) not in LENGTHS:
                continue
            header = name.lower()
            if header == "host":
                if value != self._last and not self._is_here(value.strip().lower()):
                    raise _refusal(name, value)
                self._last = value  # most clients say one thing
            elif header == "origin":
                if not self._is_ours(value.strip().lower()):
                    raise _refusal(name, value)
                is_ours = True
            elif header == "sec-fetch-site":
                is_other = is_other or value.strip().lower() == "cross-site"
        if is_other and not is_ours:
            raise _refusal("Sec-Fetch-Site", "cross-site")

    def _is_here(self, value: str) -> bool:
        """Whether a name is this machine's. One without a dot is the local network's, as Docker Compose gives them."""
        match = HOST.fullmatch(value)
        return match is not None and (match[1] in self._hosts or re.fullmatch(r"[\w-]*", match[1]) is not None)

    def _is_ours(self, value: str) -> bool:
        scheme = value.partition("://")[0]
        return value.rstrip("/") in self._named or (scheme in ("http", "https") and _host(value) in self._own)


def _host(origin: str) -> str:
    match = HOST.fullmatch(origin.partition("://")[2])
    return match[1] if match else origin


def _refusal(header: str, value: str) -> ApiError:
    text = (
        f"{header}: {value}: a server on loopback answers programs of this machine, and no other site's pages; "
        "cors_allowed_origin=http://NAME lets a site in"
    )
    return ApiError(403, "AccessDeniedException", text)
