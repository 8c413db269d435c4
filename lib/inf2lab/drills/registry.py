"""All drills, in the order in which a reader meets the failures; those of one scene stand together.

failures.json says of each what is done (`act`, a function of actions.py, `given` its arguments), to which folder
(`scene`), and what is written about it. First the model does not load; then requests are wrong, and the server runs on;
last a server that answered well gets into trouble: too slow, dead, in the way, gone, or full.
"""

import difflib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from inf2lab.drills.actions import ACTIONS
from inf2lab.drills.drill import Drill, Scene
from inf2lab.drills.folders import make_scene
from inf2lab.errors import SettingsError
from inf2lab.folder import Migrated


def find(name: str) -> Drill:
    """Return a drill by name; raises SettingsError with the nearest names."""
    if name in DRILLS:
        return DRILLS[name]
    if Migrated.is_in(Path(name)):
        reason = "was migrated: drills break DJLServing's worker and folder, and its server has neither"
        raise SettingsError("drill", name, f"{reason}; `inf2lab explain` reads its log")
    close = difflib.get_close_matches(name, DRILLS, 3, 0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise SettingsError("drill", name, f"no such drill; {hint}`inf2lab drill --list` names them all")


def _read() -> Mapping[str, Drill]:
    data = json.loads(Path(__file__).with_name("failures.json").read_text(encoding="utf-8"))
    shared = {name: make_scene(row, data["scenes"]) for name, row in data["scenes"].items()}

    def make(name: str, row: dict[str, Any]) -> Drill:
        where = row.pop("scene")
        scene: Scene = shared[where] if isinstance(where, str) else make_scene(where, data["scenes"])
        act = partial(ACTIONS[row.pop("act")], **row.pop("given", {}))
        return Drill(name, scene=scene, act=act, covers=tuple(row.pop("covers", ())), **row)

    return MappingProxyType({name: make(name, row) for name, row in data["drills"].items()})


DRILLS = _read()
