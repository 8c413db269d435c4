"""inf2lab.planning's degrees: every degree of the instance judged, with a reason for each that is illegal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import PlanOf


@pytest.mark.parametrize(
    ("choices", "documented"),
    [
        ({"profile": "seed-0.21"}, (1, 2, 4, 8)),  # 40 heads leave a rest at 24
        ({"profile": "djl-0.25"}, (1, 2, 4, 8, 24)),
        ({"profile": "djl-0.25", "instance": "inf2.24xlarge"}, (1, 2, 4, 8)),
        ({"profile": "djl-0.25", "instance": "trn1.32xlarge"}, (1, 2, 8, 16, 32)),
        ({"profile": "seed-0.21", "instance": "trn1.32xlarge"}, (1, 2, 8)),  # 32 does not divide 40
        ({"profile": "djl-0.25", "model": "gpt-j-6b"}, (1, 2, 4, 8)),  # 16 heads, never padded
        ({"profile": "djl-0.25", "instance": "inf2.xlarge"}, (1, 2)),
        ({"profile": "seed-0.21", "model": "opt-66b"}, (1, 2, 4, 8, 24)),  # 72 heads
    ],
    ids=str,
)
def test_documented_degrees(plan_of: PlanOf, choices: dict[str, Any], documented: tuple[int, ...]) -> None:
    assert plan_of(**({"model": "opt-13b"} | choices)).tensor_parallel.documented == documented


def test_later_runtimes_accept_12_and_the_article_does_not(plan_of: PlanOf) -> None:
    later = plan_of(instance="inf2.24xlarge").tensor_parallel
    assert 12 in later.legal
    assert 12 not in later.documented
    assert 12 not in plan_of(instance="inf2.24xlarge", profile="seed-0.21").tensor_parallel.legal


def test_every_degree_of_the_instance_is_legal_or_has_a_reason(plan_of: PlanOf) -> None:
    found = plan_of().tensor_parallel
    assert sorted([*found.legal, *found.reasons]) == list(range(1, 25))
    assert all("degree" in reason for reason in found.reasons.values())


@pytest.mark.parametrize(
    ("profile", "degree", "said"),
    [
        ("seed-0.21", 24, "40 attention heads cannot be divided by tensor parallel degree 24"),
        ("seed-0.21", 12, "is not supported by the Neuron runtime on inf2"),
        ("djl-0.25", 3, "is not supported by the Neuron runtime on inf2"),
        ("djl-0.25", 32, "needs 32 NeuronCores and 24 are visible"),
    ],
)
def test_an_illegal_degree_is_a_problem_with_its_reason(plan_of: PlanOf, profile: str, degree: int, said: str) -> None:
    made = plan_of(profile=profile, tensor_parallel_degree=degree)
    assert not made.tensor_parallel.asked.ok
    assert said in made.tensor_parallel.reasons[degree]
    assert any(said in problem for problem in made.problems)
