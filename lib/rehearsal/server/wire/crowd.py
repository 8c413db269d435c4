"""The open connections, and how many there may be: a worker that dies needs descriptors for its replacement."""

from __future__ import annotations

import contextlib
import resource
import time
from typing import Any

from rehearsal.server.logs import ServerLog

KEPT_BACK = 32  # descriptors, for workers, logs and files
ACCEPTED_AT_ONCE = KEPT_BACK // 8  # connections; asyncio accepts as often four times before it shows the first of them
SAID_EVERY_S = 60


def raise_limit() -> None:
    """Permits as many descriptors as this process may have, as the JVM does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, 65536, 10240):  # where the limit is "none" that is not granted; macOS grants the last
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break


class Crowd(set[Any]):
    """The open connections of a server."""

    def __init__(self, log: ServerLog) -> None:
        super().__init__()
        self._log, self._said_at = log, -SAID_EVERY_S * 1.0

    def has_room(self, descriptor: int) -> bool:
        """Whether a connection with this descriptor, the lowest that was free, leaves enough for the rest."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit == resource.RLIM_INFINITY or descriptor < limit - KEPT_BACK:
            return True
        if time.monotonic() - self._said_at >= SAID_EVERY_S:
            self._said_at = time.monotonic()
            text = f"{len(self)} connections are open, of at most {limit} descriptors: more are closed until some end"
            self._log.warn("Rehearsal", f"{text}; raise the limit with ulimit -n")
        return False
