"""inf2lab.planning's host needs: what loading holds in memory and on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from neuron_rules import GIB

if TYPE_CHECKING:
    from .conftest import PlanOf


def test_opt_13b_is_52_gb_in_f32_for_each_worker(plan_of: PlanOf) -> None:
    host = plan_of(instance="inf2.8xlarge").host
    assert host.f32_gib * GIB / 1e9 == pytest.approx(51.4, abs=0.2)  # facts/aws: about 52 GB
    assert host.once_gib == host.f32_gib / 2
    assert host.disk_gib == pytest.approx(2 * host.once_gib)


def test_twelve_workers_need_twelve_times_as_much(plan_of: PlanOf) -> None:
    assert plan_of().host.f32_gib == pytest.approx(12 * plan_of(instance="inf2.8xlarge").host.f32_gib)


@pytest.mark.parametrize(
    ("model", "instance", "said"),
    [
        ("opt-1.3b", "inf2.xlarge", "even in f32"),
        ("opt-13b", "trn1.2xlarge", "low_cpu_mem_usage"),
        ("opt-13b", "inf2.xlarge", "convert the model elsewhere"),
    ],
)
def test_the_sentence_says_how_to_load(plan_of: PlanOf, model: str, instance: str, said: str) -> None:
    assert said in plan_of(model, instance=instance).host.text
