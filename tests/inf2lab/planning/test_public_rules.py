"""inf2lab.planning's public rules side by side: what each accepts, and what each forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab.planning.memory import core_bytes
from inf2lab.planning.published import public_rules

if TYPE_CHECKING:
    from .conftest import RequestOf


def test_three_rules_oldest_first(request_of: RequestOf) -> None:
    names = [rule.name for rule in public_rules(request_of())]
    assert [name.split()[1] for name in names] == ["article", "vendor's", "smart"]


@pytest.mark.parametrize(
    ("model", "degree", "batch", "accepted"),
    [
        ("opt-13b", 2, 3, (True, True, True)),  # and AWS's own sample says that it does not fit
        ("opt-13b", 24, 2, (False, True, True)),  # 40 heads
        ("opt-13b", 12, 2, (False, True, False)),
        ("opt-66b", 8, 1, (False, True, False)),  # 136 GB of 128; 126 of 128 GiB; 1.1 x 131 GB
        ("opt-13b", 1, 1, (False, False, False)),
    ],
)
def test_what_each_accepts(request_of: RequestOf, model: str, degree: int, batch: int, accepted: tuple) -> None:
    found = public_rules(request_of(model, tensor_parallel_degree=degree, batch_size=batch))
    assert tuple(rule.accepts for rule in found) == accepted


def test_the_smallest_degree_of_each(request_of: RequestOf) -> None:
    assert [rule.smallest_degree for rule in public_rules(request_of())] == [2, 2, 2]
    assert [rule.smallest_degree for rule in public_rules(request_of("opt-66b"))] == [24, 12, 24]
    assert [rule.smallest_degree for rule in public_rules(request_of("bloom"))] == [None, 24, None]


def test_the_calculator_counts_eight_times_too_much_cache_for_grouped_heads(request_of: RequestOf) -> None:
    """Llama-2-70b, batch 1, 4096 positions: 10 GiB of cache instead of 1.25 (facts, section (f))."""
    asked = request_of("llama-2-70b", tensor_parallel_degree=8, batch_size=1, n_positions=4096)
    text = public_rules(asked)[1].text
    assert float(text.split()[0]) == pytest.approx(120 + 10, abs=1)
    assert 8 * core_bytes(asked).kv_cache / 2**30 == pytest.approx(1.25)


def test_int8_halves_what_the_smart_defaults_count(request_of: RequestOf) -> None:
    full, half = (public_rules(request_of("opt-30b", weights=w))[2] for w in (None, "int8"))
    assert (full.smallest_degree, half.smallest_degree) == (8, 4)
