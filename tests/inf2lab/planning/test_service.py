"""inf2lab.planning's throughput and cost: arithmetic by hand, price bases apart, the cheapest instance that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab.errors import SettingsError
from inf2lab.planning import usd_per_million_tokens
from inf2lab.planning.decode import mean_over_median

if TYPE_CHECKING:
    from .conftest import PlanOf, RequestOf


def test_cost_is_price_over_throughput(plan_of: PlanOf) -> None:
    found = plan_of(input_tokens=64, output_tokens=128).service
    assert found.tokens_per_s is not None
    assert found.usd_per_million_tokens is not None
    by_hand = 12.981 / 3600 / found.tokens_per_s.mid * 1e6
    assert found.usd_per_million_tokens.mid == pytest.approx(by_hand)


def test_all_copies_work_and_the_first_token_counts(plan_of: PlanOf) -> None:
    made = plan_of(input_tokens=64, output_tokens=64)  # all in one bucket
    step, first = made.decode.ms_per_token.mid, made.service.ttft_ms.mid
    by_hand = 12 * 2 * 64 / ((first + 64 * step) / 1000)
    assert made.service.tokens_per_s is not None
    assert made.service.tokens_per_s.mid == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("prompt", "answer", "least", "most"),
    [(64, 64, 1, 1), (1024, 1024, 1, 1), (128, 1920, 0.9, 0.999), (64, 100, 1.0001, 1.1)],
)
def test_the_mean_token_is_cheaper_than_the_median_where_early_buckets_are_small(
    request_of: RequestOf, prompt: int, answer: int, least: float, most: float
) -> None:
    found = mean_over_median(request_of(input_tokens=prompt, output_tokens=answer))
    assert least <= found <= most


@pytest.mark.parametrize(("batch", "published"), [(1, 32.0), (8, 6.1)])
def test_a_published_configuration_costs_what_the_facts_say(plan_of: PlanOf, batch: int, published: float) -> None:
    made = plan_of(
        "llama-2-13b",
        tensor_parallel_degree=24,
        batch_size=batch,
        n_positions=4096,
        input_tokens=128,
        output_tokens=3968,
    )
    assert made.service.usd_per_million_tokens is not None
    assert made.service.usd_per_million_tokens.mid == pytest.approx(published, rel=0.01)


def test_a_price_basis_changes_the_cost_and_is_named(plan_of: PlanOf) -> None:
    demand, reserved = plan_of().service, plan_of(price_basis="reserved").service
    assert demand.usd_per_million_tokens is not None
    assert reserved.usd_per_million_tokens is not None
    ratio = reserved.usd_per_million_tokens.mid / demand.usd_per_million_tokens.mid
    assert ratio == pytest.approx(5.608 / 12.981)
    assert (demand.price.name, reserved.price.name) == ("on-demand", "reserved")
    with pytest.raises(SettingsError, match="price_basis='spot'"):
        plan_of(price_basis="spot")


def test_without_a_price_or_a_worker_there_is_no_cost(plan_of: PlanOf) -> None:
    assert plan_of(instance="trn1n.32xlarge").service.usd_per_million_tokens is None
    too_large = plan_of(tensor_parallel_degree=32).service
    assert (too_large.tokens_per_s, too_large.usd_per_million_tokens) == (None, None)


def test_the_articles_generation_feeds_the_prompt_token_by_token(plan_of: PlanOf) -> None:
    made = plan_of(profile="seed-0.21", input_tokens=64, output_tokens=128)
    assert made.service.ttft_ms.mid == pytest.approx(64 * made.decode.ms_per_token.mid)
    assert "one step each" in made.service.ttft_text


def test_with_prompt_programs_the_first_token_is_a_wide_range(plan_of: PlanOf) -> None:
    found = plan_of(input_tokens=1024, output_tokens=128).service.ttft_ms
    assert found.high > 5 * found.low


@pytest.mark.parametrize(
    ("model", "degree", "instance", "found"),
    [
        ("opt-13b", 2, "inf2.48xlarge", ("inf2.8xlarge", 2)),  # the hosts of inf2.xlarge and trn1.2xlarge are too small
        ("opt-125m", 1, "inf2.48xlarge", ("inf2.xlarge", 1)),
        ("opt-66b", 24, "inf2.48xlarge", ("inf2.48xlarge", 24)),
        ("bloom", 24, "inf2.48xlarge", None),  # 176 B parameters
    ],
)
def test_the_cheapest_instance_that_fits(
    plan_of: PlanOf, model: str, degree: int, instance: str, found: tuple[str, int] | None
) -> None:
    choice = plan_of(model, tensor_parallel_degree=degree, instance=instance).cheapest
    assert (choice and (choice.instance, choice.degree)) == found


def test_no_degree_means_the_smallest_that_fits(plan_of: PlanOf) -> None:
    assert plan_of("opt-13b", tensor_parallel_degree=None).request.tensor_parallel_degree == 2
    assert plan_of("opt-66b", tensor_parallel_degree=None).request.tensor_parallel_degree == 24
    assert plan_of("bloom", tensor_parallel_degree=None).request.tensor_parallel_degree == 24  # nothing fits
    with pytest.raises(SettingsError, match="tensor_parallel_degree=0"):
        plan_of("opt-13b", tensor_parallel_degree=0)


def test_a_price_is_an_hours_over_an_hours_tokens() -> None:
    assert usd_per_million_tokens(3.6, 1000) == pytest.approx(1.0)
