"""The helpers of the real package that programs import by name: bucket sizes, eight-bit dtype names, overrides."""

from __future__ import annotations

from emulated_neuron.arguments import override as maybe_override_attributes
from emulated_neuron.dtypes import split_amp as parse_amp

from neuron_rules import token_buckets

__all__ = ["maybe_override_attributes", "parse_amp", "power_of_two_bucket_sizes"]


def power_of_two_bucket_sizes(min_bucket_size: int, max_bucket_size: int) -> list[int]:
    """`min_bucket_size` doubled below `max_bucket_size`, then that itself (128, 300: 128, 256, 300)."""
    return list(token_buckets(max_bucket_size, smallest=min_bucket_size))
