"""A linted file line by line: every line is there, and every finding below its own."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from inf2lab.folder.article import write_article
from inf2lab.lint import Target, annotated, lint
from inf2lab.lint.runner import Report


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return lint(write_article("built-in", tmp_path), Target("seed-0.21"))


def test_each_finding_stands_below_its_line(report: Report) -> None:
    lines = str(annotated(report)).splitlines()
    file = (report.folder / "serving.properties").read_text().splitlines()
    assert [line[6:] for line in lines if line[4] == "|"] == file
    at = lines.index("  8 | option.entryPoint=djl_python.transformers-neuronx")
    assert lines[at + 1].startswith("      ✗ error E001: DJLServing 0.21.0 has no module")
    assert lines[at + 2] == "      Fix: write `djl_python.transformer-neuronx`"
    assert max(map(len, lines)) <= 96


def test_every_finding_of_the_file_is_told_in_both_forms(report: Report) -> None:
    page = annotated(report)
    html = unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?code>", "`", page._repr_html_())))
    plain = " ".join(repr(page).split())
    mine = [f for f in report.findings if f.file == "serving.properties"]
    assert len(mine) == sum(len(findings) for _, _, findings in page.lines) >= 3
    for finding in mine:
        for told in (html, plain):
            assert finding.message in told
            assert finding.fix in told


def test_without_the_whole_only_lines_with_a_finding_are_left(tmp_path: Path) -> None:
    report = lint(write_article("model.py", tmp_path), Target("seed-0.21"))
    page = annotated(report, "model.py", whole=False)
    numbers = [number for number, _, _ in page.lines]
    assert numbers == sorted({f.line for f in report.findings if f.file == "model.py"})
    assert str(annotated(report, whole=False)) == ""


def test_what_a_file_holds_is_shown_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "serving.properties").write_text("engine=<b>Python</b>\n")
    page = annotated(lint(tmp_path, Target("djl-0.25")))
    assert "<b>" in str(page)
    assert "<b>" not in page._repr_html_()


def test_severity_is_a_word_and_a_sign_and_code_has_no_backquotes(report: Report) -> None:
    """Colour alone says nothing to who does not see it, and a page shows code as code."""
    for form in (str(annotated(report)), annotated(report)._repr_html_()):
        assert "✗ error E001" in form
        assert "▲ warning " in form
    assert "`" not in annotated(report)._repr_html_()
    assert "<code>djl_python.transformer-neuronx</code>" in annotated(report)._repr_html_()
