"""inf2lab.catalog's documented memory cases: every one names its source, and models that the catalog has."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from neuron_rules import DTYPE_BYTES

CASES = catalog.memory_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model}-{case.degree}-{case.batch_size}")
def test_a_case_names_its_source_and_a_known_model(case: catalog.MemoryCase) -> None:
    assert len(case.source) > 20
    assert case.seen_with
    assert case.dtype in DTYPE_BYTES
    assert case.n_positions <= catalog.model(case.model).max_positions


def test_there_are_successes_failures_and_cases_that_bound_nothing() -> None:
    assert {case.fits for case in CASES} == {True, False}
    assert [case.model for case in CASES if not case.settings_known] == [
        "meta-llama/Llama-2-13b-hf",
        "meta-llama/Meta-Llama-3-70B",
    ]


def test_no_two_cases_contradict_each_other() -> None:
    known = [case for case in CASES if case.settings_known]
    for good in (case for case in known if case.fits):
        for bad in (case for case in known if not case.fits):
            same = (good.model, good.degree) == (bad.model, bad.degree)
            assert not (same and bad.batch_size <= good.batch_size and bad.n_positions <= good.n_positions)
