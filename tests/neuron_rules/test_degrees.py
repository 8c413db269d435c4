"""The rules of the tensor parallel degree, case by case, as the sources state them."""

from __future__ import annotations

import pytest

from neuron_rules import ModelDims, UnknownName, check_degree, core_groups, generation, parse_visible_cores
from neuron_rules.errors import NeuronRulesError


def rules_broken(degree: int, dims: ModelDims, name: str, cores: int = 24, family: str = "inf2") -> list[str]:
    check = check_degree(degree, dims, generation=generation(name), cores=cores, family=family)
    return [reason.rule for reason in check.reasons]


# (degree, rules broken in 0.2, rules broken in 0.8) for OPT-13B, 40 heads, on 24 cores; the article's three rules
ARTICLE = [
    (1, [], []),
    (2, [], []),
    (3, ["degree", "heads"], ["degree"]),
    (4, [], []),
    (8, [], []),
    (10, ["degree"], []),
    (12, ["degree", "heads"], []),
    (24, ["heads"], []),
    (32, ["cores", "degree", "heads"], ["cores"]),
    (0, ["cores", "degree"], ["cores", "degree"]),
]


@pytest.mark.parametrize(("degree", "in_02", "in_08"), ARTICLE)
def test_opt13b_on_inf2(opt13b: ModelDims, degree: int, in_02: list[str], in_08: list[str]) -> None:
    assert rules_broken(degree, opt13b, "0.2") == in_02
    assert rules_broken(degree, opt13b, "0.8") == in_08


@pytest.mark.parametrize(("degree", "broken"), [(8, []), (16, []), (24, ["degree"]), (32, [])])
def test_trn1_takes_its_own_list(opt13b: ModelDims, degree: int, broken: list[str]) -> None:
    assert rules_broken(degree, opt13b, "0.8", cores=32, family="trn1") == broken


@pytest.mark.parametrize("architecture", ["gptj", "gpt_neox"])
def test_gptj_and_neox_heads_are_never_padded(architecture: str) -> None:
    dims = ModelDims(architecture, 64, 2, 6, vocab=100, max_positions=64)
    assert rules_broken(4, dims, "0.8") == ["heads"]


def test_padding_is_noted_with_its_cost(opt13b: ModelDims) -> None:
    check = check_degree(24, opt13b, generation=generation("0.8"), cores=24)
    assert any("40 attention heads are padded to 48" in note and "17%" in note for note in check.notes)


def test_undocumented_even_degree_is_noted(opt13b: ModelDims) -> None:
    check = check_degree(12, opt13b, generation=generation("0.8"), cores=24)
    assert any("12 is not in the documented list (1, 2, 4, 8, 24)" in note for note in check.notes)


def test_reasons_name_value_rule_and_remedy(opt13b: ModelDims) -> None:
    (reason,) = check_degree(24, opt13b, generation=generation("0.2"), cores=24).reasons
    assert "40 attention heads" in reason.text
    assert "24" in reason.text
    assert "(1, 2, 4, 8)" in reason.text


def test_legal_degrees_of_the_article(opt13b: ModelDims) -> None:
    checks = [check_degree(degree, opt13b, generation=generation("0.2"), cores=24) for degree in range(1, 25)]
    assert [check.degree for check in checks if check.ok] == [1, 2, 4, 8]


def test_unknown_family_and_generation() -> None:
    dims = ModelDims("opt", 64, 2, 4, vocab=100, max_positions=64)
    with pytest.raises(UnknownName, match=r"'inf1'.*inf2"):
        check_degree(2, dims, generation=generation("0.8"), cores=24, family="inf1")
    with pytest.raises(UnknownName, match=r"'0\.9'.*0\.8"):
        generation("0.9")


@pytest.mark.parametrize(("text", "cores"), [("4", range(4, 5)), ("0-7", range(8)), (" 8 - 9 ", range(8, 10))])
def test_visible_cores(text: str, cores: range) -> None:
    assert parse_visible_cores(text) == cores


@pytest.mark.parametrize("text", ["", "a", "3-1", "0,1", "-1"])
def test_visible_cores_refuse_anything_else(text: str) -> None:
    with pytest.raises(NeuronRulesError, match="`4-7`"):
        parse_visible_cores(text)


def test_workers_share_an_instance_in_consecutive_groups() -> None:
    assert core_groups(24, 8) == (range(8), range(8, 16), range(16, 24))
    assert len(core_groups(24, 2)) == 12
    assert core_groups(2, 8) == ()
