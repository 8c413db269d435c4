"""Free ports for servers that tests start."""

from __future__ import annotations

import fcntl
import itertools
import os
import tempfile
from pathlib import Path

from inf2lab.serving import ports

# Below what the library gives out by itself, so that no command under test is given a test's port.
_FIRST, _PART, _PARTS = 12000, 400, 20
_offsets = itertools.count(os.getpid() * 2, 2)  # by two, as most ask for a neighbour as well


def _own_part() -> int:
    """Return a part of the range that is this process's while it lives, by a lock.

    A port that a test holds for minutes is not always listened on: no other process of tests may be given it.
    """
    for part in range(_PARTS):
        path = Path(tempfile.gettempdir()) / f"inf2lab-tests-ports-{part}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)  # open until the process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return part
        except BlockingIOError:
            os.close(lock)
    raise RuntimeError(f"{_PARTS} processes run tests on this machine: end some of them")


_part = _own_part()


def free_port(*above: int) -> int:
    """A port of 127.0.0.1 on which nothing listens now, nor on those that are so many above it; another each time."""
    while True:
        port = _FIRST + _part * _PART + next(_offsets) % _PART
        if all(ports.is_free(port + distance) for distance in (0, *above)):
            return port
