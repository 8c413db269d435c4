"""Reading a log that is still being written: a worker's words arrive a moment after its answer."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from inf2lab.errors import LabError

if TYPE_CHECKING:
    from inf2lab.serving import ModelServer

PATIENCE_S = 60  # for a line of the log, on a machine with much else to do


def log_until(server: ModelServer, until: str, *, start: int = 0, patience_s: float = PATIENCE_S) -> str:
    """Return a server's log from byte `start` on, once it has a line with the pattern `until`; raises LabError."""
    deadline = time.monotonic() + patience_s
    while True:
        gained = server.log_path.read_bytes()[start:].decode(errors="replace")
        if re.search(until, gained, re.MULTILINE):
            return gained
        if time.monotonic() > deadline:
            raise LabError(f"the log got no line with {until!r} within {patience_s:g} s:\n{gained}")
        time.sleep(0.02)
