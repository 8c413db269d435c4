"""The models whose sizes the tests of the rules use, from their public configurations."""

from __future__ import annotations

import pytest

from neuron_rules import ModelDims


def opt(hidden: int, layers: int, heads: int) -> ModelDims:
    """An OPT of the published family: vocabulary 50272, 2048 positions, feed-forward four times as wide."""
    return ModelDims("opt", hidden, layers, heads, vocab=50272, max_positions=2048)


OPT = {"1.3b": opt(2048, 24, 32), "13b": opt(5120, 40, 40), "30b": opt(7168, 48, 56), "66b": opt(9216, 64, 72)}


@pytest.fixture
def opt13b() -> ModelDims:
    """facebook/opt-13b, the article's model."""
    return OPT["13b"]


@pytest.fixture
def published() -> dict[str, ModelDims]:
    """The published OPT sizes by name."""
    return OPT
