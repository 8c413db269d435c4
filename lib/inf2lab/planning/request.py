"""What is to be planned: a model on an instance, how it is split, and the requests it is to answer.

Unlike `Settings` it holds what no rule allows too: a plan says why, where settings refuse.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab import catalog
from inf2lab.errors import SettingsError
from inf2lab.folder import Reading, as_notebook_04
from inf2lab.settings import Settings
from neuron_rules import GENERATIONS, Generation, ModelDims, NeuronRulesError, refused_variants, rule_dims

INT8 = "int8"
LARGEST = 2**31 - 1  # of Java's and the compiler's own numbers


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to the planner. Lengths are tokens; `weights` is "int8" or None (stored in `dtype`).

    `reading` is how a folder's handler reads the checkpoint.
    """

    model: ModelDims
    hardware: catalog.Instance
    stack: catalog.Profile
    tensor_parallel_degree: int
    batch_size: int = 1
    n_positions: int = 2048
    input_tokens: int = 0
    output_tokens: int = 0
    dtype: str = "f16"
    weights: str | None = None
    obstacles: tuple[catalog.Obstacle, ...] = ()  # why the profile does not serve this model
    reading: Reading | None = None

    @property
    def read(self) -> Reading:
        """How the checkpoint is read: as the folder's handler does, or as the handler that notebook 04 writes."""
        return self.reading or as_notebook_04(self.dtype)

    @property
    def instance(self) -> str:
        """The instance's name."""
        return self.hardware.name

    @property
    def title(self) -> str:
        """The question in one line."""
        return (
            f"{self.model.name} on {self.instance}: degree {self.tensor_parallel_degree}, batch {self.batch_size}, "
            f"{self.n_positions} positions, {self.weights or self.dtype}"
        )

    @property
    def parameters(self) -> int:
        """Parameters of the checkpoint."""
        return catalog.parameters_of(self.model)

    @property
    def generation(self) -> Generation:
        """The rules that hold for degrees, heads and memory under the profile."""
        return GENERATIONS[self.stack.degree_rules]

    @property
    def matrix_dtype(self) -> str | None:
        """How the layers' matrices are stored where it is not `dtype`."""
        return self.generation.matrix_dtypes[0] if self.weights == INT8 else None

    @property
    def lengths(self) -> tuple[int, int]:
        """Prompt and answer in tokens; where neither was given, half of n_positions each."""
        if self.input_tokens or self.output_tokens:
            return self.input_tokens, self.output_tokens
        return self.n_positions // 2, self.n_positions - self.n_positions // 2


def request_for(
    model: str,
    *,
    profile: str = Settings.profile,
    instance: str = Settings.instance,
    tensor_parallel_degree: int = Settings.tensor_parallel_degree,
    batch_size: int = 1,
    n_positions: int = 2048,
    input_tokens: int = 0,
    output_tokens: int = 0,
    dtype: str = "f16",
    weights: str | None = None,
    built_in: bool = True,
    reading: Reading | None = None,
) -> Request:
    """Build a request from names: `model` is a short name, a name on the hub, or a folder with a config.json.

    Without `built_in` a handler of one's own serves, whose library alone must know the model.

    Raises SettingsError for what is no name or no number at all; what a rule forbids is the plan's to say.
    """
    stack = catalog.profile(profile)
    numbers = {"tensor_parallel_degree": tensor_parallel_degree, "batch_size": batch_size, "n_positions": n_positions}
    for name, value in numbers.items():
        if not 1 <= value <= LARGEST:
            raise SettingsError(name, value, f"must be 1 or more, and at most {LARGEST}")
    for name, value in {"input": input_tokens, "output": output_tokens}.items():
        if not 0 <= value <= LARGEST:
            raise SettingsError(name, value, "must not be negative; leave it out for half of n_positions")
    dims, config = model_of(model)
    made = Request(
        model=dims,
        hardware=catalog.instance(instance.lower()),  # AWS's tables write Inf2.48xlarge
        stack=stack,
        tensor_parallel_degree=tensor_parallel_degree,
        batch_size=batch_size,
        n_positions=n_positions,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        dtype=stack.handler_dtypes.get(dtype.lower(), dtype.lower()),  # fp16 is the handler's spelling of f16
        weights=None if weights in (None, "none", dtype) else weights,
        obstacles=_obstacles(config, stack, built_in),
        reading=reading,
    )
    if made.dtype not in made.generation.dtypes:
        raise SettingsError("dtype", dtype, f"use one of {', '.join(made.generation.dtypes)}")
    if made.weights not in (None, INT8):
        raise SettingsError("weights", weights, f"use {INT8}, or leave it out to store weights in {dtype}")
    return made


def request_of(settings: Settings) -> Request:
    """Return the request that a notebook's settings make; they name no lengths."""
    return Request(
        model=settings.model,
        hardware=settings.hardware,
        stack=settings.stack,
        tensor_parallel_degree=settings.tensor_parallel_degree,
        batch_size=settings.batch_size,
        n_positions=settings.n_positions,
        dtype=settings.dtype,
        obstacles=_obstacles(catalog.described(settings.model_id) or {}, settings.stack, built_in=False),
    )


def model_of(name: str) -> tuple[ModelDims, Mapping[str, Any]]:
    """Return dimensions and configuration of the model that `name` means; a folder's config.json wins.

    Raises SettingsError.
    """
    config_path = Path(name) / "config.json"
    if os.path.isfile(config_path):  # pathlib raises for a name that is too long
        return _read_config(config_path)
    if os.path.isdir(name):
        raise SettingsError("model", name, "this folder has no config.json: give the model's own folder or its name")
    entry = catalog.find_model(name)
    return entry.dims, entry.config


def _obstacles(config: Mapping[str, Any], stack: catalog.Profile, built_in: bool) -> tuple[catalog.Obstacle, ...]:
    """Return what stands in the way of serving, by the profile's versions and by the chip's library."""
    found = [one for one in catalog.obstacles(config, stack) if built_in or not one.in_handler]
    for refusal in refused_variants(config, besides=("rope_scaling",)):
        said, _, remedy = refusal.partition(": ")
        found.append(catalog.Obstacle(said, remedy))
    return tuple(found)


def _read_config(path: Path) -> tuple[ModelDims, Mapping[str, Any]]:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if reason := catalog.nowhere(config):
            raise SettingsError("model", str(path), reason)
        # Mistral has Llama's layers under another name
        kind = "llama" if config.get("model_type") == "mistral" else config.get("model_type", "")
        return rule_dims(config | {"model_type": kind}), config
    except NeuronRulesError as error:
        raise SettingsError("model", str(path), str(error)) from error
    except (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = f"is not a model's configuration ({error}): give the model's own config.json"
        raise SettingsError("model", str(path), reason) from error
