"""Program lengths, as the facts list them."""

from __future__ import annotations

import pytest

from neuron_rules import bucket_for, context_buckets, token_buckets


@pytest.mark.parametrize(
    ("n_positions", "buckets"),
    [(100, (100,)), (128, (128,)), (256, (128, 256)), (300, (128, 256, 300)), (2048, (128, 256, 512, 1024, 2048))],
)
def test_token_buckets(n_positions: int, buckets: tuple[int, ...]) -> None:
    assert token_buckets(n_positions) == buckets


@pytest.mark.parametrize(
    ("estimate", "buckets"), [(None, (64, 128, 256)), (0, ()), (64, (64,)), ([256, 64], (64, 256))]
)
def test_context_buckets(estimate: int | list[int] | None, buckets: tuple[int, ...]) -> None:
    assert context_buckets(estimate, 512) == buckets


@pytest.mark.parametrize(("length", "bucket"), [(1, 128), (128, 128), (129, 256), (256, 256), (257, None)])
def test_first_bucket_that_holds_a_length(length: int, bucket: int | None) -> None:
    assert bucket_for((128, 256), length) == bucket
