"""Helpers that programs import by name (facts, sections 1 and 6)."""

from __future__ import annotations

import pytest
from transformers import OPTConfig
from transformers_neuronx.utils import maybe_override_attributes, parse_amp, power_of_two_bucket_sizes


@pytest.mark.parametrize(
    ("positions", "buckets"),
    [(100, [100]), (128, [128]), (256, [128, 256]), (300, [128, 256, 300]), (2048, [128, 256, 512, 1024, 2048])],
)
def test_buckets_of_section_6(positions: int, buckets: list[int]) -> None:
    assert power_of_two_bucket_sizes(128, positions) == buckets


def test_eight_bit_names() -> None:
    assert parse_amp("f16-u8-f16") == ("f16", "u8")
    assert parse_amp("bf16") == ("bf16", None)


def test_overrides() -> None:
    config = OPTConfig()
    maybe_override_attributes(config, {"dropout": 0.5, "eos_token_id": None})
    assert (config.dropout, config.eos_token_id) == (0.5, 2)
    with pytest.raises(KeyError, match='Found invalid key "colour"'):
        maybe_override_attributes(config, {"colour": 1})
