"""How the waits for AWS go on: a look every few seconds, and a line a minute where nothing changes."""

from collections.abc import Iterator

from inf2lab.aws.connection import Cloud
from inf2lab.words import Report

NOTE_S = 60


def looks(cloud: Cloud, limit_s: int, step_s: int, report: Report, doing: str) -> Iterator[None]:
    """Yield once for each look until the limit, pause after it, and say each minute what is waited for."""
    for waited_s in range(0, limit_s, step_s):
        if waited_s and waited_s % NOTE_S < step_s:
            report(f"  {doing}: {waited_s // 60} of at most {limit_s // 60} minutes")
        yield
        cloud.pause(step_s)
