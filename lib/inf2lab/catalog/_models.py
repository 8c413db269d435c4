"""Models: the dimensions of each, and the names under which a person may ask for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from inf2lab.catalog._access import one, read_file
from inf2lab.errors import SettingsError
from neuron_rules import ModelDims

# What a name may carry beside the size: who published it, its format, how it was tuned.
_BESIDE = re.compile(r"^meta-|-(hf|chat|instruct|base|v0\.\d)(?=-|$)")


@dataclass(frozen=True)
class ModelEntry:
    """One model: dimensions, and the parameters of its checkpoint (`tied`: one matrix is embedding and output)."""

    dims: ModelDims
    parameters: int
    tied: bool
    model_type: str  # what its config.json says


def models() -> Mapping[str, ModelDims]:
    """Return the dimensions of every model the catalog knows, by its public name."""
    return _dims()


def model(name: str) -> ModelDims:
    """Return one model's dimensions; raises SettingsError with the known names."""
    return one("model_id", name, _dims())


def model_entries() -> Mapping[str, ModelEntry]:
    """Return every model with what is known beyond its dimensions, by public name."""
    return _entries()


def find_model(name: str) -> ModelEntry:
    """Return the model a person means by `name` (opt-13b, Llama-2-7b-chat-hf, a hub name); raises SettingsError."""
    entries = _entries()
    for key, entry in entries.items():
        if name.lower() in (key.lower(), key.rpartition("/")[2].lower()):
            return entry
    meant = [key for key in entries if _short(key) == _short(name)]
    if meant and len({replace(entries[key].dims, name="") for key in meant}) == 1:
        return entries[meant[0]]
    close = difflib.get_close_matches(_short(name), [_short(key) for key in entries], 3)
    near = [key for key in entries if _short(key) in close]
    known = f"did you mean {' or '.join(near)}? if not," if near else f"known are {', '.join(entries)};"
    reason = f"{known} use a folder with a config.json"
    raise SettingsError("model", name, reason)


def _short(name: str) -> str:
    text = name.strip().rstrip("/").rpartition("/")[2].lower()
    while (shorter := _BESIDE.sub("", text)) != text:
        text = shorter
    return re.sub(r"[-_]", "", text)


@cache
def _dims() -> Mapping[str, ModelDims]:
    return MappingProxyType({name: entry.dims for name, entry in _entries().items()})


@cache
def _entries() -> Mapping[str, ModelEntry]:
    rows = read_file("models")["models"]
    return MappingProxyType({name: _row(name, dict(row)) for name, row in rows.items()})


def _row(name: str, row: dict) -> ModelEntry:
    parameters, tied = row.pop("parameters"), row.pop("tied")
    model_type = row.pop("model_type", row["architecture"])
    return ModelEntry(ModelDims(name=name, **row), parameters, tied, model_type)
