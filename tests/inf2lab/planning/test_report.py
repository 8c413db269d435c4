"""inf2lab.planning's reports: the keys that machines read, and the same findings as text and HTML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from inf2lab import catalog
from inf2lab.planning import as_dict, headlines, rows

if TYPE_CHECKING:
    from .conftest import PlanOf


def test_the_keys_that_machines_read(plan_of: PlanOf) -> None:
    found = json.loads(json.dumps(as_dict(plan_of(input_tokens=64, output_tokens=128))))
    assert found["tensor_parallel"]["legal"][:3] == [1, 2, 4]
    assert "24" not in found["tensor_parallel"]["reasons"]
    assert found["memory"]["verdict"] == "fits"
    assert set(found["memory"]["per_core_gib"]) == {"weights", "kv_cache", "padding", "reserve"}
    assert set(found["decode"]["ms_per_token"]) == {"low", "mid", "high"}
    assert found["decode"]["basis"] == "extrapolated"
    assert set(found["cost"]["usd_per_million_tokens"]) == {"low", "mid", "high"}
    assert found["devices"] == [[device] for device in range(12)]
    assert found["workers"] == 12
    assert found["ok"] is True


def test_kinds_of_memory_add_up(plan_of: PlanOf) -> None:
    memory = as_dict(plan_of(tensor_parallel_degree=24))["memory"]
    kinds = memory["per_core_gib"]
    assert kinds["weights"] + kinds["kv_cache"] + kinds["padding"] == pytest.approx(memory["total_gib"])
    assert kinds["padding"] > 0


def test_what_does_not_work_is_said_and_not_raised(plan_of: PlanOf) -> None:
    found = as_dict(plan_of(tensor_parallel_degree=32, batch_size=1, n_positions=4096))
    assert found["ok"] is False
    assert (found["workers"], found["devices"]) == (0, [])
    assert found["cost"]["usd_per_million_tokens"] == {"low": None, "mid": None, "high": None}
    assert any("use at most 2048" in problem for problem in found["problems"])


def test_memory_that_is_too_small_is_a_problem_with_what_would_fit(plan_of: PlanOf) -> None:
    found = as_dict(plan_of(batch_size=3, profile="seed-0.21"))
    assert found["memory"]["verdict"] == "does not fit"
    assert found["memory"]["would_fit"]
    assert found["ok"] is False


def test_text_and_html_hold_the_same_findings(plan_of: PlanOf) -> None:
    made = plan_of(devices="0,10,2,4,6,8,1,11", tensor_parallel_degree=8)
    text, html = str(made), made._repr_html_()
    for subject, found in rows(made):
        assert subject in text
        assert found in text
    shown, _, folded = html.partition("<details>")
    assert folded.count("<tr>") == len(list(rows(made)))
    assert shown.count("<tr>") == len(list(headlines(made))) < 10  # a newcomer is not met by all of them
    assert "&lt;" in html  # the article's rule compares
    assert "not neighbours" in html


def test_warnings(plan_of: PlanOf) -> None:
    longer = plan_of("llama-2-7b", n_positions=8192, input_tokens=8000, output_tokens=400)
    assert any("8400 tokens and n_positions is 8192" in warning for warning in longer.warnings)
    assert any("trained on 4096 positions" in warning for warning in longer.warnings)
    assert any("sensitive to f16" in warning for warning in plan_of("pythia-2.8b").warnings)
    assert any(warning.endswith("lmi-0.30 has 0.12.313") for warning in plan_of(profile="lmi-0.30").warnings)
    assert plan_of(tensor_parallel_degree=8).warnings == ()


@pytest.mark.parametrize(
    ("model", "profile", "said"),
    [
        ("mistral-7b", "djl-0.25", "no class for `mistral`"),
        ("Llama-3.1-8B-Instruct", "djl-0.28", "transformers 4.43.0 on, and the image of 0.28.0 has 4.36.2"),
        ("open-calm-7b", "djl-0.25", "use_parallel_residual=False"),
        ("Mistral-7B-Instruct-v0.2", "djl-0.26", "sliding_window null"),
    ],
)
def test_a_model_that_the_release_cannot_read_is_a_problem_with_versions_and_the_way_out(
    plan_of: PlanOf, model: str, profile: str, said: str
) -> None:
    problems = [found for subject, found in rows(plan_of(model, profile=profile)) if subject == "problem"]
    assert any(said in problem and ("take " in problem or "use one" in problem) for problem in problems)


@pytest.mark.parametrize(
    ("model", "weights", "refused"),
    [("gpt-j-6b", "int8", True), ("pythia-2.8b", "int8", True), ("opt-13b", "int8", False), ("gpt-j-6b", None, False)],
)
def test_int8_is_a_problem_for_the_families_that_the_library_does_not_quantize(
    plan_of: PlanOf, model: str, weights: str | None, refused: bool
) -> None:
    problems = plan_of(model, weights=weights, tensor_parallel_degree=4, n_positions=512).problems
    assert any("stores no int8 weights" in problem for problem in problems) is refused


@pytest.mark.parametrize("profile", catalog.profiles())
@pytest.mark.parametrize("instance", catalog.instances())
def test_every_profile_and_instance_can_be_planned(plan_of: PlanOf, profile: str, instance: str) -> None:
    json.dumps(as_dict(plan_of("opt-1.3b", profile=profile, instance=instance)))


@pytest.mark.parametrize("model", catalog.models())
def test_every_model_can_be_planned(plan_of: PlanOf, model: str) -> None:
    json.dumps(as_dict(plan_of(model, tensor_parallel_degree=None)))
