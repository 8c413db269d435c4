"""Typed access to the catalog's data files; each is read once, when it is first asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from inf2lab.errors import SettingsError
from neuron_rules import ModelDims


@dataclass(frozen=True)
class Instance:
    """One EC2 size: NeuronCores, memory in GiB, price in US dollars an hour (basis in the data file)."""

    name: str
    family: str
    chips: int
    cores: int
    vcpus: int
    host_gib: int
    device_gib: int
    usd_per_hour: float


@dataclass(frozen=True)
class Profile:
    """One generation of the serving stack. `rehearsed_by` is the version of DJL's worker that rehearses it, or None."""

    name: str
    why: str
    djl: str
    image: str
    sdk: str
    python: str
    packages: Mapping[str, str]
    tnx_generation: str | None
    entry_point: str
    handler_dtypes: Mapping[str, str]  # option.dtype of the built-in handler -> amp of transformers-neuronx
    handler_default_dtype: str
    worker: str | None  # version of DJL's Python worker that is this profile's own
    rehearsed_by: str | None
    loading_timeout_s: int
    predict_timeout_s: int
    container_env: Mapping[str, str]

    def handler_dtype(self, amp: str) -> str:
        """Return how the built-in handler spells `amp` (f16 -> fp16); raises SettingsError if it has no word for it."""
        for spelling, name in self.handler_dtypes.items():
            if name == amp:
                return spelling
        accepted = ", ".join(self.handler_dtypes.values())
        raise SettingsError("dtype", amp, f"the built-in handler of {self.name} takes one of {accepted}")


def instances() -> Mapping[str, Instance]:
    """Return every instance by name."""
    return _instances()


def instance(name: str) -> Instance:
    """Return one instance; raises SettingsError with the known names."""
    return _one("instance", name, _instances())


def models() -> Mapping[str, ModelDims]:
    """Return the dimensions of every model the catalog knows, by its public name."""
    return _models()


def model(name: str) -> ModelDims:
    """Return one model's dimensions; raises SettingsError with the known names."""
    return _one("model_id", name, _models())


def profiles() -> Mapping[str, Profile]:
    """Return every profile by name."""
    return _profiles()


def profile(name: str) -> Profile:
    """Return one profile; raises SettingsError with the known names, or the reason why 0.35 and later have none."""
    version = name.removeprefix("djl-").removeprefix("lmi-")
    parts = tuple(int(p) for p in version.split(".")[:2] if p.isdigit())
    removed = tuple(int(p) for p in _file("profiles")["neuron_removed_in"].split(".")[:2])
    if name not in _profiles() and len(parts) == 2 and parts >= removed:
        reason = (
            f"DJLServing removed its Neuron code in {_file('profiles')['neuron_removed_in']}: "
            f"use one of {', '.join(_profiles())}, or migrate to another server"
        )
        raise SettingsError("profile", name, reason)
    return _one("profile", name, _profiles())


def default_profile() -> str:
    """Return the name of the profile that is used when none is chosen."""
    return _file("profiles")["default"]


def _one(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    try:
        return table[name]
    except KeyError:
        raise SettingsError(kind, name, f"not in the catalog; use one of {', '.join(table)}") from None


@cache
def _file(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())


@cache
def _instances() -> Mapping[str, Instance]:
    rows = _file("instances")["instances"]
    return MappingProxyType({name: Instance(name=name, **row) for name, row in rows.items()})


@cache
def _models() -> Mapping[str, ModelDims]:
    rows = _file("models")["models"]
    return MappingProxyType({name: ModelDims(name=name, **row) for name, row in rows.items()})


@cache
def _profiles() -> Mapping[str, Profile]:
    rows = _file("profiles")["profiles"]
    return MappingProxyType({name: Profile(name=name, **row) for name, row in rows.items()})
