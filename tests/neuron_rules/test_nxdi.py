"""How NxD Inference splits heads and memory, as its code and its guide say."""

from __future__ import annotations

import pytest

from neuron_rules import NXDI_CORE_GB, NXDI_CORES_A_DEVICE, NXDI_DEGREES, ModelDims, nxdi_heads, nxdi_split


@pytest.mark.parametrize(
    ("heads", "kv_heads", "degree", "expected"),
    [
        (32, 32, 8, (32, 32)),
        (32, 32, 24, (48, 48)),  # without groups both are padded alike
        (32, 8, 8, (32, 8)),
        (32, 8, 2, (32, 8)),
        (32, 8, 12, (36, 36)),  # neither divides the other: a key for each query
        (32, 8, 24, (48, 24)),  # repeated to the degree
        (12, 2, 8, (16, 8)),
    ],
)
def test_heads_are_padded_and_grouped_ones_repeated(
    heads: int, kv_heads: int, degree: int, expected: tuple[int, int]
) -> None:
    assert nxdi_heads(heads, kv_heads, degree) == expected


def test_the_cache_grows_with_the_heads_and_the_room_with_the_degree() -> None:
    dims = ModelDims("llama", hidden=4096, layers=32, heads=32, kv_heads=8, ffn=14336, vocab=128256, max_positions=8192)
    given = {"family": "inf2", "rows": 4, "positions": 8192, "parameters": 8_030_261_248, "number_bytes": 2}
    at_8, at_12 = nxdi_split(dims, 8, **given), nxdi_split(dims, 12, **given)
    assert at_8.weights_gb == pytest.approx(16.06, abs=0.01)
    assert at_8.cache_gb == pytest.approx(2 * 32 * 8 * 128 * 8192 * 4 * 2 / 1e9)
    assert at_12.cache_gb == pytest.approx(at_8.cache_gb * 36 / 8)
    assert (at_8.room_gb, at_12.room_gb) == (128, 192)
    assert at_8.fits
    assert not nxdi_split(dims, 1, **given).fits


def test_every_family_has_degrees_and_memory() -> None:
    assert set(NXDI_DEGREES) == set(NXDI_CORE_GB) == set(NXDI_CORES_A_DEVICE)
    assert NXDI_DEGREES["inf2"] == (1, 2, 4, 8, 24)
