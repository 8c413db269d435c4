"""Failures on purpose: each is caused against a running server, and compared with what is written about it.

The same data makes docs/troubleshooting.md and lets `explain` name the cause of a line in a log.
"""

from inf2lab.drills._explain import Match, explain, newest_log
from inf2lab.drills._interface import Drill, Result, Scene, Sighting
from inf2lab.drills._log import log_until
from inf2lab.drills._registry import DRILLS, find
from inf2lab.drills._run import run
from inf2lab.drills._seen import Seen, seen

__all__ = [
    "DRILLS",
    "Drill",
    "Match",
    "Result",
    "Scene",
    "Seen",
    "Sighting",
    "explain",
    "find",
    "log_until",
    "newest_log",
    "run",
    "seen",
]
