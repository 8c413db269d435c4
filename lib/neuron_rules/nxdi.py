"""How NxD Inference splits a model over NeuronCores: the rules of transformers-neuronx's successor, as far as written.

From its gqa.py (2026-07-28), and the feature guide (read 2026-08-21), which alone says that heads must divide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .dims import ModelDims
from .padding import padded

NXDI_DEGREES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"inf2": (1, 2, 4, 8, 24), "trn1": (1, 2, 8, 16, 32), "trn2": (1, 2, 4, 8, 16, 32, 64)}
)
"""Degrees that the feature guide lists by instance family; Trn2 with two physical cores as one."""

NXDI_CORE_GB: Mapping[str, int] = MappingProxyType({"inf2": 16, "trn1": 16, "trn2": 24})
"""Memory of one core, as the feature guide counts it."""

NXDI_CORES_A_DEVICE: Mapping[str, int] = MappingProxyType({"inf2": 2, "trn1": 2, "trn2": 4})
"""Cores of one device, as a degree counts them: of Trn2's eight, two count as one unless it is told otherwise."""


@dataclass(frozen=True)
class NxdiSplit:
    """A model on one server's cores: heads after padding and repeating, and sizes in GB (1e9 bytes) of all cores."""

    heads: int
    kv_heads: int
    weights_gb: float
    cache_gb: float
    room_gb: float

    @property
    def fits(self) -> bool:
        """The feature guide's rule: weights and cache are smaller than the cores' memory. No workspace is in it."""
        return self.weights_gb + self.cache_gb < self.room_gb


def nxdi_heads(heads: int, kv_heads: int, degree: int) -> tuple[int, int]:
    """Query and key/value heads on the cores: 32 and 8 become 36 and 36 at degree 12, 48 and 24 at degree 24."""
    query = padded(heads, degree)
    if kv_heads == heads:
        return query, query
    if kv_heads % degree == 0:
        return query, kv_heads
    return query, degree if degree % kv_heads == 0 else query


def nxdi_split(
    dims: ModelDims, degree: int, *, family: str, rows: int, positions: int, parameters: int, number_bytes: int
) -> NxdiSplit:
    """Return what a degree makes of a model with so many parameters and bytes a number."""
    heads, kv_heads = nxdi_heads(dims.heads, dims.kv_heads, degree)
    more = 2 * dims.layers * dims.hidden * dims.head_dim * (heads - dims.heads + kv_heads - dims.kv_heads)
    cache = 2 * dims.layers * kv_heads * dims.head_dim * positions * rows
    return NxdiSplit(
        heads=heads,
        kv_heads=kv_heads,
        weights_gb=(parameters + more) * number_bytes / 1e9,
        cache_gb=cache * number_bytes / 1e9,
        room_gb=float(degree * NXDI_CORE_GB[family]),
    )
