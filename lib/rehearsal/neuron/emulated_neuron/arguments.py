"""What callers pass, checked and brought into one form; the errors are those of the real package."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

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


def check_unroll(unroll: int | None, layers: int) -> None:
    """Raise ValueError unless `unroll` divides the layers."""
    # DJL passes the text of serving.properties: `layers % "4"` is the TypeError that the real package ends in.
    if unroll is not None and layers % unroll:
        raise ValueError(f"unroll={unroll} does not divide num_layers={layers}")
