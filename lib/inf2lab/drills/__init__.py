"""Failures on purpose: each is caused against a running server, and compared with what is written about it.

The same data makes docs/troubleshooting.md and lets `explain` name the cause of a line in a log.
"""

from inf2lab.drills.drill import Drill, Result, Scene, Sighting, log_until
from inf2lab.drills.explainer import Match, explain, explain_log, newest_log
from inf2lab.drills.recorded import seen
from inf2lab.drills.registry import DRILLS, find
from inf2lab.drills.runner import run

__all__ = [
    "DRILLS",
    "Drill",
    "Match",
    "Result",
    "Scene",
    "Sighting",
    "explain",
    "explain_log",
    "find",
    "log_until",
    "newest_log",
    "run",
    "seen",
]
