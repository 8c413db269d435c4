"""Run drills: cause each, compare it with what is written, and take everything down."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby

from inf2lab.drills.drill import Drill, Result, Sighting, Unavailable


def run(drills: Iterable[Drill]) -> Iterator[Result]:
    """Cause each failure and yield its result; drills that follow one another on the same scene share its server.

    After the last one, or after Ctrl-C, no process, file or listener is left. Raises LabError.
    """
    from inf2lab.drills.act import Site  # with the servers; `explain` does without

    for scene, group in groupby(drills, key=lambda drill: drill.scene):
        with ExitStack() as stack:
            try:
                site = stack.enter_context(Site(scene))
            except Unavailable as error:
                yield from (Result(drill, unavailable=str(error)) for drill in group)
                continue
            for drill in group:
                started = time.monotonic()
                sighting = drill.act(site)
                yield compare(drill, sighting, time.monotonic() - started)


def compare(drill: Drill, sighting: Sighting, seconds: float = 0) -> Result:
    """Return the result of a drill that looked like `sighting`."""
    wanted = ((drill.answer, sighting.answer), (drill.log, sighting.log))
    missing = [pattern for pattern, text in wanted if not re.search(pattern, text, re.MULTILINE)]
    return Result(drill, sighting, tuple(missing), seconds=seconds)
