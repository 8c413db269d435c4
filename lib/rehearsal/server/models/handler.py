"""Fetches a handler that `option.entryPoint` names by its address, once for each address."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from rehearsal.server.environment import cache_root
from rehearsal.server.errors import ModelLoadError

TIMEOUT_S = 60


def fetched_handler(url: str, environ: Mapping[str, str]) -> Path:
    """The file behind an address, in the cache. Raises ModelLoadError, in Java's words."""
    folder = cache_root(environ) / "handlers" / hashlib.sha256(url.encode()).hexdigest()[:16]
    path = folder / "model.py"
    if path.is_file():
        return path
    from urllib.request import urlopen  # a tenth of a start's processor time

    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:  # http or https: the caller looked
            code = answer.read()
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"model.py.{os.getpid()}"
        part.write_bytes(code)
        part.replace(path)
    except (OSError, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise _failure(url, error) from error
    return path


def _failure(url: str, error: Exception) -> ModelLoadError:
    reason = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
    if isinstance(reason, ConnectionRefusedError):
        return ModelLoadError("ConnectException", "Connection refused")
    if isinstance(reason, socket.gaierror):
        return ModelLoadError("UnknownHostException", urlsplit(url).hostname)
    if isinstance(reason, HTTPError):
        if reason.code in (404, 410):
            return ModelLoadError("FileNotFoundException", url)
        return ModelLoadError("IOException", f"Server returned HTTP response code: {reason.code} for URL: {url}")
    scheme, colon, _ = url.partition(":")
    if colon and scheme.lower() in ("http", "https"):
        return ModelLoadError("IOException", str(reason))
    return ModelLoadError("MalformedURLException", f"unknown protocol: {scheme}" if colon else f"no protocol: {url}")
