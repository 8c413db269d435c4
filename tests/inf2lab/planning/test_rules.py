"""inf2lab.planning's three rules of the article, against what the article says of its own model."""

from __future__ import annotations

import pytest

from inf2lab import article_rules, catalog

OPT_13B = catalog.model("facebook/opt-13b")


@pytest.mark.parametrize("degree", [2, 4, 8])
def test_the_articles_model_runs_at_the_degrees_it_names(degree: int) -> None:
    rules = article_rules(degree, OPT_13B, batch_size=2, n_positions=2048)
    assert (rules.heads_divide, rules.fits, rules.supported, rules.ok) == (True, True, True, True)


def test_degree_24_is_supported_and_large_enough_and_fails_on_40_heads() -> None:
    rules = article_rules(24, OPT_13B, batch_size=2, n_positions=2048)
    assert (rules.heads_divide, rules.fits, rules.supported, rules.ok) == (False, True, True, False)


def test_degree_1_fails_on_size_only() -> None:
    rules = article_rules(1, OPT_13B, batch_size=2, n_positions=2048)
    assert (rules.heads_divide, rules.fits, rules.supported, rules.ok) == (True, False, True, False)


@pytest.mark.parametrize("degree", [5, 10, 20])
def test_a_divisor_of_the_heads_that_no_list_has_is_not_supported(degree: int) -> None:
    rules = article_rules(degree, OPT_13B, batch_size=1, n_positions=2048)
    assert (rules.heads_divide, rules.supported, rules.ok) == (True, False, False)


def test_sizes_are_counted_as_the_article_counts() -> None:
    rules = article_rules(2, OPT_13B, batch_size=2, n_positions=2048)
    weights_gb = 12_853_473_280 * 2 / 1e9
    cache_gb = 819_200 * 2048 * 2 / 1e9  # 819,200 bytes a token and sequence: 40 layers, K and V, 5120 wide, f16
    assert rules.size_gb == pytest.approx(weights_gb + cache_gb)
    assert rules.room_gb == 32


def test_f32_needs_twice_the_room_and_does_not_fit_two_cores() -> None:
    half = article_rules(2, OPT_13B, batch_size=2, n_positions=2048, dtype="f16")
    full = article_rules(2, OPT_13B, batch_size=2, n_positions=2048, dtype="f32")
    assert full.size_gb == pytest.approx(2 * half.size_gb)
    assert not full.fits


def test_rule_2_asks_for_less_than_the_room_and_not_for_as_much() -> None:
    rules = article_rules(2, OPT_13B, batch_size=1, n_positions=2048)
    exact = type(rules)(degree=2, heads_divide=True, size_gb=rules.room_gb, room_gb=rules.room_gb, supported=True)
    assert not exact.fits


def test_opt_66b_needs_24_cores() -> None:
    dims = catalog.model("facebook/opt-66b")
    assert not article_rules(8, dims, batch_size=2, n_positions=2048).fits
    assert article_rules(24, dims, batch_size=2, n_positions=2048).ok


@pytest.mark.parametrize(
    ("family", "degrees"), [("inf2", {1, 2, 4, 8, 24}), ("trn1", {1, 2, 8, 32})], ids=["inf2", "trn1"]
)
def test_the_supported_degrees_are_the_articles(family: str, degrees: set[int]) -> None:
    asked = range(1, 33)
    supported = {
        degree
        for degree in asked
        if article_rules(degree, OPT_13B, batch_size=1, n_positions=128, family=family).supported
    }
    assert supported == degrees
