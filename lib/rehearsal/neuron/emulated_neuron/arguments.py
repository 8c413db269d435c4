"""What callers pass, checked and brought into one form; the errors are those of the real package."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from emulated_neuron import dtypes
from emulated_neuron.environment import RehearsalError
from neuron_rules import Generation, ModelDims, bucket_for, refused_int8, refused_unroll

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def with_signature(
    function: Callable[..., Any], names: Sequence[str], defaults: Mapping[str, Any]
) -> Callable[..., Any]:
    """`function` behind the parameters of one generation: inspect.signature shows them, others are a TypeError."""
    kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    signature = inspect.Signature([inspect.Parameter(name, kind, default=defaults.get(name, empty)) for name in names])

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{function.__name__}() {error}") from None
        return function(**arguments)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def paddings(start_ids: Any) -> Tensor | None:
    """`start_ids` as a tensor (B); None where no row is padded, which is quicker."""
    if start_ids is None:
        return None
    start_ids = torch.as_tensor(start_ids).reshape(-1).to(torch.int64)
    return start_ids if bool(start_ids.any()) else None


def override(config: PretrainedConfig, overrides: dict[str, Any]) -> None:
    """Set attributes that `config` already has; None is ignored; an unknown one is the real package's KeyError."""
    for key, value in overrides.items():
        if not hasattr(config, key):
            raise KeyError(f'Found invalid key "{key}"')
        if value is not None:
            setattr(config, key, value)


def check_unroll(architecture: str, unroll: int | None, layers: int) -> None:
    """Raise ValueError unless `unroll` divides the layers."""
    # DJL passes the text of serving.properties: `layers % "4"` is the TypeError that the real package ends in.
    if refusal := refused_unroll(architecture, unroll, layers):
        raise ValueError(refusal)


def check_int8(architecture: str, neuron_config: Any, generation: Generation) -> None:
    """Raise NotImplementedError where this family's matrices cannot be stored in eight bits."""
    refusal = refused_int8(architecture, generation)
    if refusal and getattr(neuron_config, "quant", None):
        raise NotImplementedError(refusal)


def check_counts(batch_size: int, n_positions: int) -> None:
    """Raise RehearsalError for a program of no rows or no positions; how the chip's compiler says it, nobody showed."""
    for name, count in (("batch_size", batch_size), ("n_positions", n_positions)):
        if count < 1:
            raise RehearsalError(f"{name} is {count}: nothing can be compiled for less than 1")


def choose_amp(amp: str | None, config: PretrainedConfig, generation: Generation) -> str:
    """Return `amp`, or what the configuration's torch_dtype says; an unknown name is a bare KeyError."""
    amp = amp or dtypes.to_amp(config.torch_dtype)
    compute, stored = dtypes.split_amp(amp)
    if stored and stored not in generation.matrix_dtypes:
        raise KeyError(amp)
    dtypes.to_torch_dtype(compute)
    return amp


def choose_matrix_dtype(amp: str, neuron_config: Any) -> str | None:
    """Return the eight-bit storage, which `amp` names in 0.2 and `neuron_config.quant` since 0.4."""
    quant = getattr(neuron_config, "quant", None)
    return quant.quant_dtype if quant else dtypes.split_amp(amp)[1]


def choose_n_positions(wanted: int | None, dims: ModelDims, *, held: int, architecture: str) -> int:
    """Return the positions to compile for: all, unless others are wanted. The weights at hand have `held`.

    Raises ValueError for more than the named model has, RehearsalError for more than its stand-in has, both for OPT,
    GPT-2 and GPT-J only: of the model classes they alone compare.
    """
    limit = dims.max_positions
    n_positions = limit if wanted is None else wanted
    if dims.family.positions != "learned" and architecture != "gptj":
        return n_positions
    if n_positions > limit:
        raise ValueError(
            f"sequence length {n_positions} (n_positions) cannot be larger than the position embedding's "
            f"context size {limit}: pass n_positions={limit} or less"
        )
    if n_positions > held:
        raise RehearsalError(f"the stand-in weights have {held} positions and n_positions is {n_positions}")
    return n_positions


def check_position(
    position: int, start_ids: Tensor | None, dims: ModelDims, buckets: tuple[int, ...], *, slack: int = 0
) -> None:
    """Raise IndexError beyond a learned table of positions, StopIteration beyond the last bucket, as on the chip."""
    shift = 0 if start_ids is None else int(start_ids.min())
    if dims.family.positions == "learned" and position - shift >= dims.max_positions:
        raise IndexError("index out of range in self")  # what torch's embedding says on the host
    if bucket_for(buckets, position + 1 - slack) is None:
        raise StopIteration
