"""The one place that reads the process environment and the user's folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


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
