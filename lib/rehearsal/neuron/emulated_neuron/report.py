"""What a loaded model would occupy and do on the chip, as one frozen record and one log line."""

from __future__ import annotations

from dataclasses import dataclass

from neuron_rules import CoreBytes, ModelDims


@dataclass(frozen=True)
class RehearsalReport:
    """A loaded model as the chip would hold it; `core_bytes` is for each core, by kind."""

    model: str
    stand_in: bool  # whether other, smaller weights compute the words
    generation: str
    cores: tuple[int, ...]
    tp_degree: int
    batch_size: int
    n_positions: int
    amp: str
    core_bytes: CoreBytes
    heads: int
    padded_heads: int
    token_buckets: tuple[int, ...]
    context_buckets: tuple[int, ...]
    all_reduces_per_step: int
    host_bytes: int


def describe(dims: ModelDims) -> str:
    """A model's size in words: layers, width, heads and parameters."""
    count = dims.parameters
    size = f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"
    return f"{dims.layers} layers of width {dims.hidden}, {dims.heads} heads, {size} parameters"


def stand_in_line(weights: ModelDims, named: ModelDims) -> str:
    """The sentence that says whose words a stand-in speaks."""
    return (
        f"rehearsal: the words come from stand-in weights ({weights.family.title}: {describe(weights)}); "
        f"the rules of the device are checked for {named.name} ({describe(named)})"
    )
