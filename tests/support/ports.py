"""Free ports for servers that tests start."""

from __future__ import annotations

import itertools
import os
import re

from inf2lab.serving import ports

# Below what the library gives out by itself, so that no command under test is given a test's port; each process of
# pytest-xdist has a part of its own, as a port that a test holds for minutes is not always listened on.
_FIRST, _PART, _PARTS = 12000, 1000, 8
_worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % _PARTS
_offsets = itertools.count(os.getpid() * 37, 2)  # by two, as most ask for a neighbour as well


def free_port(*above: int) -> int:
    """A port of 127.0.0.1 on which nothing listens now, nor on those that are so many above it; another each time."""
    while True:
        port = _FIRST + _worker * _PART + next(_offsets) % _PART
        if all(ports.is_free(port + distance) for distance in (0, *above)):
            return port
