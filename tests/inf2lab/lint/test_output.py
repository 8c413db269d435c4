"""The three forms of a report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from inf2lab.folder.article import write_article
from inf2lab.lint import RULES, Target, lint, render
from inf2lab.lint.finding import Severity
from inf2lab.lint.output import as_json, as_sarif, as_text
from inf2lab.lint.runner import Report


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return lint(write_article("built-in", tmp_path), Target("seed-0.21"))


def test_text_is_file_line_rule_severity_message_fix(report: Report) -> None:
    *lines, counts = as_text([report]).splitlines()
    assert len(lines) == len(report.findings)
    for line in lines:
        assert re.fullmatch(r"\S+/opt13b/[\w.]+:\d+ [A-Z]\d{3} (?:error|warning|note) .+\. Fix: .+", line)
    assert re.fullmatch(r"\d+ errors, \d+ warnings, 1 note", counts)


def test_nothing_found_is_clean(tmp_path: Path) -> None:
    assert as_text([Report(tmp_path, "djl-0.25", "inf2.xlarge", ())]) == "clean"
    assert as_text([Report(tmp_path, "djl-0.25", "inf2.xlarge", (), fixed=2)]) == "clean, 2 fixed"


def test_json_counts_what_it_lists(report: Report) -> None:
    data = json.loads(render([report], "json"))
    assert data == as_json([report])
    for severity in Severity:
        assert data[f"{severity}s"] == sum(f["severity"] == severity for f in data["findings"])
    entry = next(f for f in data["findings"] if f["rule"] == "E001")
    assert entry["line"] == 8
    assert entry["name"] == "entry-point-of-another-release"
    assert entry["fix"] == "write `djl_python.transformer-neuronx`"
    assert entry["fixable"] is True
    assert Path(entry["file"]).is_file()


def test_sarif_has_the_shape_that_review_tools_read(report: Report) -> None:
    data = json.loads(render([report], "sarif"))
    assert data == as_sarif([report])
    assert data["version"] == "2.1.0"
    (run,) = data["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == {*RULES, "N001"}
    assert len(run["results"]) == len(report.findings)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["region"]["startLine"] >= 1
        assert place["artifactLocation"]["uri"].startswith("/") or "/" in place["artifactLocation"]["uri"]


def test_several_folders_are_one_report(report: Report) -> None:
    assert as_json([report, report])["errors"] == 2 * as_json([report])["errors"]
    assert len(as_sarif([report, report])["runs"]) == 1
