"""Reading the catalog's data files, each once, when it is first asked for; the parts shared by typed access."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from inf2lab.errors import SettingsError


@cache
def read_file(name: str) -> dict[str, Any]:
    """Return the data file `<name>.json` of this folder."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())


def one(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    """Return `table[name]`; raises SettingsError with the known names."""
    try:
        return table[name]
    except KeyError:
        raise SettingsError(kind, name, f"not in the catalog; use one of {', '.join(table)}") from None
