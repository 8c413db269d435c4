"""Profiles and options: what each release of DJLServing brings, accepts and answers, as typed rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from inf2lab.errors import SettingsError

Version = tuple[int, ...]
_NAME = re.compile(r"(?:djl-|lmi-|seed-)?(\d{1,6})\.(\d{1,6})(?:\.\d{1,6})*")


def version(text: str) -> Version:
    """Return a release as numbers that compare: "0.22.1" is (0, 22, 1)."""
    return tuple(int(part) for part in text.split("."))


@dataclass(frozen=True)
class RequestShape:
    """The built-in handler's request: key of the prompts, dotted keys of the length, length when none is given.

    `default_length` None means n_positions. `exact_batch`: a request must bring exactly batch_size prompts.
    """

    prompts: str
    length: tuple[str, ...]
    default_length: int | None
    exact_batch: bool


@dataclass(frozen=True)
class Profile:
    """One generation of the serving stack. `rehearsed_by` is the version of DJL's worker that rehearses it, or None."""

    name: str
    why: str
    djl: str
    image: str
    image_documented: bool  # the tag is named in public documentation, not only derived from the pattern
    sagemaker_tag: str | None  # of the repository djl-inference
    sdk: str
    base: str
    java: str
    python: str
    packages: Mapping[str, str]
    tnx_generation: str | None  # generation of neuron_rules that is this profile's own, or None
    degree_rules: str  # generation whose rules for degrees and heads hold here too
    entry_point: str
    automatic_handler: bool  # the Neuron handler is chosen when neither entryPoint nor model.py is there
    handler_dtypes: Mapping[str, str]  # option.dtype of the built-in handler -> amp of transformers-neuronx
    handler_default_dtype: str
    architectures: tuple[str, ...]  # model types of the built-in handler
    request: RequestShape
    response: str
    streaming: str
    cores_found_by: str
    error_codes: Mapping[str, int | None]  # None where nobody measured
    worker: str | None  # version of DJL's Python worker that is this profile's own
    rehearsed_by: str | None
    loading_timeout_s: int
    predict_timeout_s: int
    container_env: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def version(self) -> Version:
        """The release of DJLServing, as numbers that compare."""
        return version(self.djl)

    def handler_dtype(self, amp: str) -> str:
        """Return how the built-in handler spells `amp` (f16 -> fp16); raises SettingsError if it has no word for it."""
        for spelling, name in self.handler_dtypes.items():
            if name == amp:
                return spelling
        accepted = ", ".join(self.handler_dtypes.values())
        raise SettingsError("dtype", amp, f"the built-in handler of {self.name} takes one of {accepted}")


@dataclass(frozen=True)
class Option:
    """One `option.<name>` of serving.properties: who reads it, since when, and its defaults and choices by release."""

    name: str
    reader: str  # handler, server or both
    kind: str  # int, bool, choice, degree, dtype, list or text
    since: str
    meaning: str
    defaults: Mapping[str, str | None]
    choices: Mapping[str, tuple[str, ...]]

    def known_in(self, release: Version) -> bool:
        """Whether that release reads the option."""
        return version(self.since) <= release

    def default_in(self, release: Version) -> str | None:
        """Return the default of that release; None where there is none or it is chosen at load time."""
        return _latest(self.defaults, release)

    def choices_in(self, release: Version) -> tuple[str, ...]:
        """Return the values that release accepts; empty where any is."""
        return _latest(self.choices, release) or ()


@dataclass(frozen=True)
class OptionTable:
    """Every key of serving.properties that a release may read."""

    options: Mapping[str, Option]
    server_keys: Mapping[str, str]  # keys without `option.` and their kind
    engines: tuple[str, ...]
    incomplete_from: Version  # from here on the handler reads options that nobody has listed


def profiles() -> Mapping[str, Profile]:
    """Return every profile by name."""
    return _profiles()


def profile(name: str) -> Profile:
    """Return one profile: `djl-0.26`, or any release of it as in `0.26.0`.

    Raises SettingsError with the known names, or with the reason why 0.35 and later have none.
    """
    table = _profiles()
    if name in table:
        return table[name]
    if match := _NAME.fullmatch(name):
        asked = (int(match[1]), int(match[2]))
        for entry in table.values():
            if entry.version[:2] == asked:
                return entry
        if neuron_removed(name):
            reason = (
                f"DJLServing removed its Neuron code in {neuron_removed_in()}: "
                f"use one of {', '.join(table)}, or migrate to another server"
            )
            raise SettingsError("profile", name, reason)
    raise SettingsError("profile", name, f"not in the catalog; use one of {', '.join(table)}")


def neuron_removed(name: str) -> bool:
    """Whether `name` is a release, however spelled, from which Neuron was removed."""
    match = _NAME.fullmatch(name)
    return match is not None and (int(match[1]), int(match[2])) >= version(neuron_removed_in())[:2]


def neuron_removed_in() -> str:
    """Return the first release of DJLServing without Neuron."""
    return _file("profiles")["neuron_removed_in"]


def default_profile() -> str:
    """Return the name of the profile that is used when none is chosen."""
    return _file("profiles")["default"]


def options() -> OptionTable:
    """Return the table of options and keys."""
    return _options()


def _latest(table: Mapping[str, Any], release: Version) -> Any:
    reached = [since for since in table if version(since) <= release]
    return table[max(reached, key=version)] if reached else None


@cache
def _file(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))


@cache
def _profiles() -> Mapping[str, Profile]:
    return MappingProxyType({name: _profile(name, row) for name, row in _file("profiles")["profiles"].items()})


def _profile(name: str, row: Mapping[str, Any]) -> Profile:
    shape = row["request"]
    fixed = {
        "request": RequestShape(**(shape | {"length": tuple(shape["length"])})),
        "architectures": tuple(row["architectures"]),
        "notes": tuple(row["notes"]),
    }
    return Profile(name=name, **(dict(row) | fixed))


@cache
def _options() -> OptionTable:
    data = _file("options")
    rows = {
        name: Option(
            name=name,
            reader=row["reader"],
            kind=row["kind"],
            since=row["since"],
            meaning=row["meaning"],
            defaults=row.get("default", {}),
            choices={since: tuple(values) for since, values in row.get("choices", {}).items()},
        )
        for name, row in data["options"].items()
    }
    return OptionTable(
        options=MappingProxyType(rows),
        server_keys=MappingProxyType(data["server_keys"]),
        engines=tuple(data["engines"]),
        incomplete_from=version(data["incomplete_from"]),
    )
