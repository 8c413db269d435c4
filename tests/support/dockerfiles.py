"""A Dockerfile as its instructions."""

from __future__ import annotations

import re
from pathlib import Path


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, comments gone and continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(name, " ".join(rest.split())) for name, _, rest in (x.partition(" ") for x in joined.splitlines()) if name]
