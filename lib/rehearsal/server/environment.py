"""The one place that reads the process environment and the user's folders."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

SECRET = r"(?:TOKEN(?!IZER)|SECRET|PASSW|PASSPHRASE|KEY|CREDENTIAL)"  # in a name
MASK = "***"
# NAME=VALUE and "name": "value" inside of a value, and what stands before the host of a URL. Each part has an end, so
# that a long value costs no more than its length.
INSIDE = re.compile(
    rf"""(?P<name>{SECRET}[\w.-]{{0,40}})(?P<between>[\\"']{{0,9}}\s{{0,9}}[=:]\s{{0,9}}[\\"']{{0,9}})(?P<value>[^\s,;&\\"']+)"""
    r"|://[^/\s@]{1,999}@",
    re.IGNORECASE,
)


def process_environment() -> dict[str, str]:
    """A copy of this process's environment."""
    return dict(os.environ)


def cache_root(environ: Mapping[str, str]) -> Path:
    """Where fetched files are kept: INF2LAB_CACHE, else inf2lab in the user's cache folder."""
    if environ.get("INF2LAB_CACHE"):
        return Path(environ["INF2LAB_CACHE"]).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "inf2lab"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "inf2lab"


def without_secrets(name: str, value: str) -> str:
    """A setting's value as a log may show it: what is secret by its name, or by a name inside of it, as `***`."""
    return MASK if _is_secret(name, value) else INSIDE.sub(_masked, value)


def _is_secret(name: str, value: str) -> bool:
    plain = len(value) < 4 or value.lower() in ("true", "false")  # a count or a switch
    counts = value.isdigit() and re.search("tokens$", name, re.IGNORECASE)  # such as max_new_tokens
    return not plain and not counts and re.search(SECRET, name, re.IGNORECASE) is not None


def _masked(found: re.Match[str]) -> str:
    if found["name"] is None:
        return f"://{MASK}@"
    return found[0] if not _is_secret(found["name"], found["value"]) else found["name"] + found["between"] + MASK
