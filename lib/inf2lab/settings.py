"""One validated set of parameters for a notebook or a command: lane, stack, model, and how it is split."""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from inf2lab import catalog, paths
from inf2lab.errors import ServerError, SettingsError
from inf2lab.language import spoken
from neuron_rules import GENERATIONS, Generation, ModelDims, check_degree

LANES = {
    "rehearsal": "this machine's processor plays the chip; nothing is billed",
    "inf2": "an instance with /dev/neuron* runs the real container",
}
NETWORKS = {
    "bridge": "the container has a network of its own, and one port of it is published on 127.0.0.1",
    "host": "the container shares the machine's network and listens on 127.0.0.1",
}

_PLAYED = ("auto", "live", "recorded")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The parameters of a walk-through; building one checks every value and raises SettingsError with the remedy.

    Settings(tensor_parallel_degree=8) keeps the article's other choices.
    """

    lane: str = "rehearsal"
    profile: str = "djl-0.25"
    instance: str = "inf2.48xlarge"
    model_id: str = "facebook/opt-13b"
    model_name: str = "opt13b"
    tensor_parallel_degree: int = 2
    batch_size: int = 2
    n_positions: int = 2048
    dtype: str = "f16"
    port: int = 8080
    copies: int = 1  # of the model, each a worker with cores of its own
    first_device: int = 0  # Neuron device on which the copies begin; those below it are another server's
    machine: str = ""  # rehearsal: name of a further instance that is played; empty: the one of this clone
    image: str = ""  # the container's image; empty: the profile's
    network: str = "bridge"
    docker_options: str = ""  # further words for `docker run`, as in "--shm-size 8g"

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), type(field.default))
        for name, choices in {"lane": LANES, "network": NETWORKS}.items():
            if getattr(self, name) not in choices:
                known = "; ".join(f"{choice!r}: {meaning}" for choice, meaning in choices.items())
                raise SettingsError(name, getattr(self, name), f"use one of {known}")
        for name in ("batch_size", "copies", "n_positions", "tensor_parallel_degree"):
            if getattr(self, name) < 1:
                raise SettingsError(name, getattr(self, name), "must be 1 or more")
        if not 1 <= self.port <= 65535:
            raise SettingsError("port", self.port, "must be from 1 to 65535; 8080 is what the container uses")
        self._check_place()
        if not re.fullmatch(r"[A-Za-z0-9_]+", self.model_name):
            reason = "is the folder under models/ and part of the URL: use letters, digits and _ only"
            raise SettingsError("model_name", self.model_name, reason)
        self._check_rules()

    @classmethod
    def from_notebook(cls, variables: Mapping[str, Any], *, also: Iterable[str] = ()) -> Settings:
        """Build settings from a notebook's variables: `Settings.from_notebook(globals())`.

        A value given with papermill's `-p` wins over INF2LAB_<NAME> in the environment, which wins over the
        parameters cell. A `-p` name that is no parameter raises SettingsError; papermill itself only warns.
        `also` names parameters that the notebook has beyond these.
        """
        spoken()  # an unknown language is refused here, before a picture needs it
        names = [field.name for field in fields(cls)]
        given = injected_names(variables.get("In", ()))
        known = [*names, *also]
        for name in sorted(given.difference(known)):
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean `{close[0]}`? " if close else ""
            raise SettingsError(name, variables.get(name), f"no such parameter; {hint}known: {', '.join(known)}")
        values = {name: variables[name] for name in names if name in variables}
        for name in names:
            text = paths.parameter_from_environment(name)
            if text is not None and name not in given:
                values[name] = _cast(name, text, type(getattr(cls, name)))
        return cls(**values)

    @property
    def stack(self) -> catalog.Profile:
        """The profile's facts."""
        return catalog.profile(self.profile)

    @property
    def hardware(self) -> catalog.Instance:
        """The instance's facts."""
        return catalog.instance(self.instance)

    @property
    def model(self) -> ModelDims:
        """The named model's dimensions: one of the catalog, else a model under models/ by its own name."""
        if self.model_id in catalog.models():
            return catalog.model(self.model_id)
        own = paths.models() / self.model_id / "config.json"
        return ModelDims.from_config(json.loads(own.read_text())) if own.is_file() else catalog.model(self.model_id)

    @property
    def generation(self) -> Generation:
        """The rules of the profile's transformers-neuronx, or the written ones that are nearest to it."""
        return GENERATIONS[self.stack.tnx_generation or self.stack.degree_rules]

    @property
    def first_core(self) -> int:
        """The instance's NeuronCore that the server calls its first."""
        return self.first_device * self.hardware.cores_per_chip

    def beside(self, devices: int = 0) -> Settings:
        """Return the settings of one more server of this size at the same time: the next port, and the next devices.

        `devices` are those that this server's folder takes; 0: what these settings' degree and copies ask for. A
        NeuronCore belongs to one process. Where too few devices are left, the rehearsal plays a second machine; in
        lane inf2 SettingsError is raised for a device that is not there, and ServerError by the server for too few.
        """
        taken = devices or -(-self.tensor_parallel_degree * self.copies // self.hardware.cores_per_chip)
        free, next_port = self.first_device + taken, self.port + 1
        if free + taken <= self.hardware.chips or self.lane == "inf2":
            return replace(self, port=next_port, first_device=free)
        return replace(self, port=next_port, first_device=0, machine=f"{self.machine}beside")

    def _check_place(self) -> None:
        chips = self.hardware.chips
        if not 0 <= self.first_device < chips:
            reason = f"{self.instance} has {chips} Neuron devices, 0 to {chips - 1}: use one that no other server has"
            raise SettingsError("first_device", self.first_device, reason)
        if not re.fullmatch(r"[A-Za-z0-9_]*", self.machine):
            raise SettingsError("machine", self.machine, "is part of a file's name: use letters, digits and _ only")
        if self.machine and self.lane == "inf2":
            raise SettingsError("machine", self.machine, "is played: on an instance leave it empty")

    def _check_rules(self) -> None:
        generation, model, hardware = self.generation, self.model, self.hardware
        check = check_degree(
            self.tensor_parallel_degree, model, generation=generation, cores=hardware.cores, family=hardware.family
        )
        if check.reasons:
            reason = "; ".join(reason.text for reason in check.reasons)
            raise SettingsError("tensor_parallel_degree", self.tensor_parallel_degree, reason)
        if self.n_positions > model.max_positions:
            reason = f"{self.model_id} has {model.max_positions} positions: use at most {model.max_positions}"
            raise SettingsError("n_positions", self.n_positions, reason)
        if self.dtype not in generation.dtypes:
            spelled = self.stack.handler_dtypes.get(self.dtype)
            hint = f"; `{self.dtype}` is the built-in handler's spelling of `{spelled}`" if spelled else ""
            reason = f"transformers-neuronx takes one of {', '.join(generation.dtypes)}{hint}"
            raise SettingsError("dtype", self.dtype, reason)


def injected_names(history: Iterable[str]) -> set[str]:
    """Return the names that papermill's injected cell assigned, read from IPython's list of executed cells."""
    names: set[str] = set()
    for source in history:
        if source.partition("\n")[0].rstrip() == "# Parameters":  # papermill's own first line
            for node in ast.parse(source).body:
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def _check_type(name: str, value: object, wanted: type) -> None:
    if type(value) is not wanted:  # bool is an int to isinstance, and never meant here
        raise SettingsError(name, value, f"must be of type {wanted.__name__}, not {type(value).__name__}")


def _cast(name: str, text: str, wanted: type) -> Any:
    try:
        return wanted(text)
    except ValueError:
        raise SettingsError(name, text, f"the environment's value must be of type {wanted.__name__}") from None


def is_live(name: str, word: str, environment: Callable[[], object]) -> bool:
    """Return whether something is played here and now (live) rather than shown as it was recorded.

    Parameter `name` is `word`: live, recorded, or auto, for which INF2LAB_<NAME> decides for a whole run; else it is
    live where `environment` raises no ServerError. Raises SettingsError for another word.
    """
    if word == "auto":
        word = paths.parameter_from_environment(name) or word
    if word not in _PLAYED:
        raise SettingsError(name, word, f"use one of {', '.join(_PLAYED)}")
    if word == "auto":
        try:
            environment()
        except ServerError:
            return False
    return word != "recorded"
