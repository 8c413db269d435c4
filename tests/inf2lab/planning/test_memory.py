"""inf2lab.planning's memory verdicts on every documented case, and what it says would fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab import catalog
from inf2lab.catalog import MemoryCase
from inf2lab.planning.memory import core_bytes, judge
from neuron_rules import GIB, CoreBytes, Fit, bytes_per_core, judge_memory

if TYPE_CHECKING:
    from .conftest import PlanOf, RequestOf

CASES = catalog.memory_cases()
INSTANCES = {2: "inf2.8xlarge", 8: "inf2.48xlarge", 12: "inf2.24xlarge", 24: "inf2.48xlarge"}
# GiB on each core, from the facts' table (e) and from the size table of transformers-neuronx
SIZES = [
    ("opt-13b", 2, 2, 2048, 13.52),
    ("opt-13b", 2, 2, 256, 12.15),
    ("opt-13b", 2, 3, 2048, 14.30),
    ("opt-66b", 8, 1, 2048, 15.86),
    ("opt-66b", 24, 2, 2048, 5.5),
    ("llama-2-7b", 2, 1, 784, 6.35),
    ("llama-2-13b", 2, 1, 2048, 12.75),
    ("llama-3-8b", 2, 8, 4096, 9.0),
]


def verdict(case: MemoryCase, plan_of: PlanOf, profile: str) -> Fit:
    made = plan_of(
        case.model,
        profile=profile,
        instance=INSTANCES[case.degree],
        tensor_parallel_degree=case.degree,
        batch_size=case.batch_size,
        n_positions=case.n_positions,
        dtype=case.dtype,
    )
    return made.verdict.fit


@pytest.mark.parametrize(("model", "degree", "batch", "n_positions", "gib"), SIZES)
def test_sizes_are_the_facts(
    request_of: RequestOf, model: str, degree: int, batch: int, n_positions: int, gib: float
) -> None:
    asked = request_of(model, tensor_parallel_degree=degree, batch_size=batch, n_positions=n_positions)
    assert core_bytes(asked).total / GIB == pytest.approx(gib, rel=0.011)


@pytest.mark.parametrize("profile", ["seed-0.21", "djl-0.25", "lmi-0.30"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model}-{case.degree}-{case.batch_size}")
def test_no_documented_case_is_judged_wrongly(plan_of: PlanOf, case: MemoryCase, profile: str) -> None:
    wrong = Fit.DOES_NOT_FIT if case.fits else Fit.FITS
    assert verdict(case, plan_of, profile) is not wrong


@pytest.mark.parametrize("profile", ["seed-0.21", "djl-0.25"])
def test_only_cases_without_settings_stay_uncertain(plan_of: PlanOf, profile: str) -> None:
    uncertain = [case for case in CASES if verdict(case, plan_of, profile) is Fit.UNCERTAIN]
    assert uncertain == [case for case in CASES if not case.settings_known]


def test_the_articles_generation_needs_no_case_to_judge_opt(plan_of: PlanOf) -> None:
    """Where OPT was documented, the arithmetic alone gives every verdict."""
    for case in (case for case in CASES if "opt" in case.model):
        made = plan_of(
            case.model,
            profile="seed-0.21",
            tensor_parallel_degree=case.degree,
            batch_size=case.batch_size,
            n_positions=case.n_positions,
        )
        assert made.memory_verdict.by_rule.fit is (Fit.FITS if case.fits else Fit.DOES_NOT_FIT)


def test_opt_66b_on_8_cores_does_not_fit_though_the_calculator_accepts_it(plan_of: PlanOf) -> None:
    made = plan_of("opt-66b", tensor_parallel_degree=8, batch_size=1)
    assert made.verdict.fit is Fit.DOES_NOT_FIT
    assert made.rules[1].accepts


def test_the_dump_of_issue_49_does_not_certainly_fit() -> None:
    """Tensors of 8.216 GB with prompt programs ran out of 16 GB."""
    tensors = CoreBytes(int(8.216 * GIB), 0, 0)
    assert judge_memory(tensors, prompt_programs=True).fit is not Fit.FITS


def test_a_documented_success_covers_what_needs_less_and_says_where_it_stands(plan_of: PlanOf) -> None:
    made = plan_of(n_positions=256)
    assert made.verdict.fit is Fit.FITS
    assert made.memory_verdict.by_rule.fit is Fit.UNCERTAIN
    assert "facebook-opt-13b-sampling" in made.verdict.text
    assert "in 2023-10 the sample moved" in made.verdict.text


@pytest.mark.parametrize(
    "more", [{"n_positions": 4096}, {"dtype": "f32"}, {"batch_size": 3}, {"model": "llama-2-13b"}], ids=str
)
def test_it_covers_nothing_that_needs_more_or_is_another_model(request_of: RequestOf, more: dict) -> None:
    found = judge(request_of(**({"model": "opt-13b"} | more)))
    assert all(not case.fits for case in found.evidence)
    assert found.verdict.fit is not Fit.FITS


def test_a_model_that_the_generation_has_no_class_for_is_judged_with_prompt_programs(plan_of: PlanOf) -> None:
    made = plan_of(
        "llama-3-70b", profile="seed-0.21", instance="inf2.24xlarge", tensor_parallel_degree=12, batch_size=1
    )
    assert made.verdict.fit is Fit.UNCERTAIN
    assert any("`llama` is read from transformers-neuronx 0.5 on" in problem for problem in made.problems)


def test_what_would_fit_fits(plan_of: PlanOf) -> None:
    made = plan_of("opt-13b", tensor_parallel_degree=2, batch_size=8)
    assert made.memory_verdict.remedies[0] == "degree 8"
    assert plan_of("opt-13b", tensor_parallel_degree=8, batch_size=8).verdict.fit is Fit.FITS
    assert plan_of("opt-13b", tensor_parallel_degree=4, batch_size=8).verdict.fit is Fit.UNCERTAIN
    for remedy in made.memory_verdict.remedies:
        if remedy.startswith("batch size"):
            assert plan_of(batch_size=int(remedy.split()[-1])).verdict.fit is Fit.FITS


def test_a_plan_that_fits_has_no_remedies(plan_of: PlanOf) -> None:
    assert plan_of().memory_verdict.remedies == ()


@pytest.mark.parametrize("model", ["opt-13b", "llama-3-8b", "gpt-j-6b", "bloom-7b1", "gpt-neox-20b"])
@pytest.mark.parametrize("weights", [None, "int8"])
def test_the_sum_over_two_layers_is_the_sum_over_all(request_of: RequestOf, model: str, weights: str | None) -> None:
    asked = request_of(model, tensor_parallel_degree=8, weights=weights)
    whole = bytes_per_core(
        asked.model,
        generation=asked.generation,
        degree=8,
        batch_size=2,
        n_positions=2048,
        dtype="f16",
        matrix_dtype=asked.matrix_dtype,
    )
    assert core_bytes(asked) == whole
