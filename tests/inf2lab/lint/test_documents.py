"""The pages that are built from the rules say what the rules say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import write_defects
from inf2lab.folder.article import ARTICLE
from inf2lab.lint import RULES


@pytest.mark.parametrize(
    ("page", "build"),
    [(write_defects.DEFECTS, write_defects.defects), (write_defects.RULE_PAGE, write_defects.rule_page)],
    ids=["article_defects", "lint_rules"],
)
def test_the_page_is_what_the_tool_writes(page: Path, build) -> None:
    assert page.read_text(encoding="utf-8") == build(), "run tools/pages/write_defects.py"


def test_every_rule_is_on_the_page_with_reason_and_cure() -> None:
    text = write_defects.rule_page()
    for code, rule in RULES.items():
        assert f"### {code} {rule.NAME}\n" in text
        assert rule.WHY in text
        assert rule.CURE in text


def test_links_between_the_pages_resolve() -> None:
    anchors = set(re.findall(r"(?m)^#+ (.+)$", write_defects.rule_page()))
    slugs = {heading.lower().replace(" ", "-") for heading in anchors}
    linked = set(re.findall(r"lint_rules\.md#([\w-]+)", write_defects.defects()))
    assert linked
    assert linked <= slugs


def test_every_section_of_the_defects_says_what_the_linter_says() -> None:
    sections = re.split(r"(?m)^### ", write_defects.defects())[1:]
    assert len(sections) == 24
    assert [section.split("\n")[0] for section in sections if "**Linter:**" not in section] == []


def test_everything_the_linter_finds_in_the_article_is_on_the_page() -> None:
    page = write_defects.defects()
    missing = {f.rule for f in write_defects.on_article() if f"[{f.rule}]" not in page}
    assert missing <= {"O001", "D002"}  # defaults that the article's shortest example leaves out
    assert ARTICLE


@pytest.mark.parametrize("mark", ["lint D001", "lint X999", "show E001"])
def test_a_mark_that_gives_nothing_is_an_error(mark: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = tmp_path / "in.md"
    template.write_text(f"{{{{{mark}}}}}")
    monkeypatch.setattr(write_defects, "TEMPLATE", template)
    with pytest.raises(write_defects.MarkError):
        write_defects.defects()


def test_a_value_of_a_profile_comes_from_the_catalog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = tmp_path / "in.md"
    template.write_text("[[djl-0.25.packages.transformers-neuronx]] [[seed-0.21.loading_timeout_s]]")
    monkeypatch.setattr(write_defects, "TEMPLATE", template)
    assert write_defects.defects() == "0.8.268 240"
