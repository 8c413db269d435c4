"""Every rule, by its own examples: BAD gives exactly EXPECT, GOOD gives nothing, and the safe fix mends BAD."""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from inf2lab.lint import RULES, Example, Finding, Target, lint
from inf2lab.lint.finding import Severity

if TYPE_CHECKING:
    from conftest import Lint, Write


def told(finding: Finding) -> str:
    return f"{finding.file}:{finding.line} {finding.message}"


def examples(rule: ModuleType) -> list[Example]:
    first = Example(
        bad=rule.BAD, good=rule.GOOD, expect=tuple(rule.EXPECT), profile=getattr(rule, "PROFILE", "djl-0.25")
    )
    return [first, *getattr(rule, "MORE", [])]


CASES = [
    pytest.param(code, example, id=f"{code}-{number}")
    for code, rule in RULES.items()
    for number, example in enumerate(examples(rule), 1)
]


@pytest.mark.parametrize(("code", "example"), CASES)
def test_the_bad_example_gives_what_the_rule_says(code: str, example: Example, lint_files: Lint) -> None:
    report = lint_files(example.bad, example.profile, example.instance, example.folder)
    assert [told(f) for f in report.findings if f.rule == code] == list(example.expect)


@pytest.mark.parametrize(("code", "example"), CASES)
def test_the_good_example_is_free_of_the_rule_and_of_errors(code: str, example: Example, lint_files: Lint) -> None:
    report = lint_files(example.good, example.profile, example.instance, example.folder)
    assert [told(f) for f in report.findings if f.rule == code or f.severity is Severity.ERROR] == []


@pytest.mark.parametrize(("code", "example"), CASES)
def test_a_safe_fix_mends_what_it_is_offered_for(code: str, example: Example, write: Write) -> None:
    folder = write(example.bad, example.folder)
    target = Target(example.profile, example.instance)
    offered = [f for f in lint(folder, target).findings if f.rule == code and f.edit]
    after = lint(folder, target, fix=True)
    assert [f for f in after.findings if f.edit] == []
    if len(offered) == len(example.expect):
        assert [told(f) for f in after.findings if f.rule == code] == []


@pytest.mark.parametrize("code", RULES)
def test_a_rule_is_documented(code: str) -> None:
    rule = RULES[code]
    assert re.fullmatch(r"[A-Z]\d{3}", code)
    assert rule.__name__.rsplit(".", 1)[-1] == rule.NAME.replace("-", "_")
    assert rule.__doc__.endswith(".")
    assert rule.WHY.endswith(".")
    assert len(rule.WHY) > 40
    assert rule.CURE.endswith(".")
    assert rule.SEVERITY in Severity
    assert rule.EXPECT


def test_names_and_codes_are_unique() -> None:
    names = [rule.NAME for rule in RULES.values()]
    assert len(set(names)) == len(names) == len(RULES)
