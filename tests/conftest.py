"""What all tests share: the repository's root, its tools as modules, a clean environment, a free port."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))  # the builders are scripts, not a package


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader's INF2LAB_* variables must not change a test; only the cache of downloads is shared."""
    for name in [name for name in os.environ if name.startswith("INF2LAB_") and name != "INF2LAB_CACHE"]:
        monkeypatch.delenv(name)


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now, nor on the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port
