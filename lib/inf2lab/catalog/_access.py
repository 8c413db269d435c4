"""Reading the catalog's data files, each once, when it is first asked for; the parts shared by typed access."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from inf2lab.errors import SettingsError


@cache
def read_file(name: str) -> dict[str, Any]:
    """Return the data file `<name>.json` of this folder."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())


@dataclass(frozen=True)
class Provenance:
    """Where a value comes from, and the day on which somebody last compared it with that source."""

    source: str
    checked: str


def provenance(file: str, *path: str) -> Provenance:
    """Return the source and date of a row, as in provenance("instances", "instances", "inf2.xlarge").

    A row that names none has its table's, and a table its file's. Raises SettingsError if there is no such row.
    """
    node: Any = read_file(file)
    source, checked = node["source"], node["checked"]
    for name in path:
        node = one(file, name, node)
        if isinstance(node, Mapping):
            source, checked = node.get("source", source), node.get("checked", checked)
    return Provenance(source, checked)


def one(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    """Return `table[name]`; raises SettingsError with the known names."""
    try:
        return table[name]
    except KeyError:
        raise SettingsError(kind, name, f"not in the catalog; use one of {', '.join(table)}") from None
