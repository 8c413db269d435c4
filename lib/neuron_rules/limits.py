"""What a family cannot do on the chip: variants, eight-bit weights, programs of few layers, activations, f16."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from . import architectures
from .architectures import Architecture, architecture
from .generations import Generation

_GELUS = ("gelu", "gelu_fast", "gelu_pytorch_tanh")


def refused_variants(config: Mapping[str, Any], *, besides: Collection[str] = ()) -> Iterator[str]:
    """Yield a sentence for each value of a known family's configuration that the library does not compute.

    `besides` are attributes of which later releases compute more.
    """
    stored = config.get("quantization_config")
    if isinstance(stored, Mapping):
        method = stored.get("quant_method", "few bits")
        yield f"a checkpoint that is stored in {method} is not supported: use the one in floats"
    kind = config.get("model_type", "")
    family = architectures.ARCHITECTURES.get(kind)
    for name, value in family.works_with.items() if family else ():
        found = config.get(name, value)
        if found != value and name not in besides:
            yield f"{kind} with {name}={found!r} is not supported: use one with {name}={value!r}"


def computed_activation(family: Architecture, name: str) -> str:
    """Return what is computed where the configuration asks for `name`."""
    return "gelu_new" if family.only_gelu_new and name in _GELUS else name


def refused_int8(name: str, generation: Generation) -> str | None:
    """Return why a family's matrices cannot be stored in eight bits in this generation; None where they can."""
    if name in generation.eight_bit or name not in generation.architectures:
        return None
    can = ", ".join(architecture(other).title for other in sorted(generation.eight_bit))
    return f"{generation.title} stores no int8 weights for {architecture(name).title}: use f16 or bf16 ({can} can)"


def refused_unroll(name: str, unroll: int | None, layers: int) -> str | None:
    """Return why a program cannot hold so many layers; None where it can."""
    title = architecture(name).title
    if unroll is None:
        return None
    if not architecture(name).splits_layers:
        return f"unroll={unroll!r} is not supported for {title}: leave it out"
    return f"unroll={unroll} does not divide num_layers={layers}" if layers % unroll else None
