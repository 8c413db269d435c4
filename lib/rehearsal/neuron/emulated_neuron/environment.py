"""The only reader of environment variables: which generation is emulated, and on which NeuronCores."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from neuron_rules import Generation, NeuronRulesError, generation, parse_visible_cores

DEFAULT_GENERATION = "0.8"
DEFAULT_CORES = "24"  # inf2.48xlarge
DEFAULT_FAMILY = "inf2"


class RehearsalError(Exception):
    """Base of what only the rehearsal raises; everything else has the type that the real stack raises."""


class RehearsalSettingError(RehearsalError, ValueError):
    """An environment variable of the rehearsal has a value that means nothing."""


@dataclass(frozen=True)
class Environment:
    """The emulated instance and what this process may use of it."""

    generation: Generation
    family: str  # inf2 or trn1
    cores: int  # of the whole instance
    visible: range  # of this process
    anywhere: bool  # whether any cores will do, as many as are visible
    instance: Path  # the file that stands for the instance: who names the same one shares its cores
    first_core: int = 0  # of the instance, where this process sees only some devices, as in a container
    vocab_divisor: int = 1  # what the output matrix is padded to, besides the degree
    equal_prompts: bool = False  # whether left padding stays visible

    @property
    def choices(self) -> tuple[range, ...]:
        """The cores that this process may reserve, and then which others would do."""
        count = len(self.visible)
        starts = range(self.cores - count + 1) if self.anywhere else (self.visible.start,)
        return tuple(range(start, start + count) for start in starts)


def read_environment(environ: Mapping[str, str] | None = None) -> Environment:
    """Read REHEARSAL_* and NEURON_*; raises RehearsalSettingError, RuntimeError (cores that do not exist)."""
    environ = os.environ if environ is None else environ
    try:
        rules = generation(environ.get("REHEARSAL_TNX_GENERATION") or DEFAULT_GENERATION)
        family = environ.get("REHEARSAL_NEURON_FAMILY") or DEFAULT_FAMILY
        cores = _count(environ, "REHEARSAL_NEURON_CORES", DEFAULT_CORES)
        visible = _visible_cores(environ, cores)
    except NeuronRulesError as error:
        raise RehearsalSettingError(str(error)) from error
    if family not in rules.documented_degrees:
        accepted = ", ".join(rules.documented_degrees)
        raise RehearsalSettingError(f"REHEARSAL_NEURON_FAMILY={family!r}: use one of {accepted}")
    found = Environment(
        rules,
        family,
        cores,
        visible,
        anywhere=not environ.get("NEURON_RT_VISIBLE_CORES"),
        instance=Path(environ.get("REHEARSAL_INSTANCE") or _own_machine()),
        first_core=_count(environ, "REHEARSAL_NEURON_FIRST_CORE", "0"),
    )
    if not rules.context_buckets:  # 0.2 knows neither of the two
        return found
    divisor = _count(environ, "NEURON_VOCAB_PAD_DIVISOR", "1")
    if divisor == 0:
        raise RehearsalSettingError("NEURON_VOCAB_PAD_DIVISOR='0': write the number that the vocabulary is padded to")
    equal = environ.get("NEURON_INTERNAL_ASSUME_ALL_PROMPT_LENGTHS_ARE_EQUAL") == "1"
    return replace(found, vocab_divisor=divisor, equal_prompts=equal)


def refuse_before(first: str, module: str) -> None:
    """Raise ModuleNotFoundError, as the import of `module` does in a generation older than `first`."""
    rules = read_environment().generation
    if rules.name < first:
        raise ModuleNotFoundError(
            f"No module named '{module}': {rules.title} does not have it; choose a later profile", name=module
        )


def _own_machine() -> Path:
    """The instance of who names none: one for each user of this machine."""
    return Path(tempfile.gettempdir()) / f"rehearsal-instance-{os.getuid()}"


def _visible_cores(environ: Mapping[str, str], cores: int) -> range:
    # NEURON_RT_VISIBLE_CORES wins over NEURON_RT_NUM_CORES; 0 or nothing means all (runtime parameters, SDK 2.10).
    text = environ.get("NEURON_RT_VISIBLE_CORES")
    visible = parse_visible_cores(text) if text else range(_count(environ, "NEURON_RT_NUM_CORES", "0") or cores)
    if visible.stop > cores:
        raise RuntimeError(
            f"nrt_init: NeuronCores {visible.start}-{visible.stop - 1} were asked for and the instance has "
            f"{cores} (0-{cores - 1}): correct NEURON_RT_VISIBLE_CORES or NEURON_RT_NUM_CORES"
        )
    return visible


def _count(environ: Mapping[str, str], key: str, default: str) -> int:
    text = environ.get(key) or default
    if not text.strip().isdecimal():
        raise RehearsalSettingError(f"{key}={text!r}: write a whole number, such as {DEFAULT_CORES}")
    return int(text)
