"""All drills, in the order in which a reader meets the failures; those of one scene stand together."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from inf2lab.drills.asking import ASKING
from inf2lab.drills.drill import Drill
from inf2lab.drills.loading import LOADING
from inf2lab.drills.running import RUNNING
from inf2lab.errors import SettingsError

DRILLS: Mapping[str, Drill] = MappingProxyType({drill.name: drill for drill in (*LOADING, *ASKING, *RUNNING)})


def find(name: str) -> Drill:
    """Return a drill by name; raises SettingsError with the nearest names."""
    if name in DRILLS:
        return DRILLS[name]
    close = difflib.get_close_matches(name, DRILLS, 3, 0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise SettingsError("drill", name, f"no such drill; {hint}`inf2lab drill --list` names them all")
