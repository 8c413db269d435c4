"""A report in three forms: lines for people, JSON for programs, SARIF 2.1.0 for code review tools."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from inf2lab.lint.finding import Finding, Severity
from inf2lab.lint.registry import RULES
from inf2lab.lint.runner import REMOVED, REMOVED_NAME, Report
from inf2lab.words import plural

_ORDER = list(Severity)


def render(reports: Sequence[Report], form: str = "text") -> str:
    """The reports as `text`, `json` or `sarif`."""
    if form == "text":
        return as_text(reports)
    return json.dumps((as_sarif if form == "sarif" else as_json)(reports), indent=2, ensure_ascii=False)


def as_text(reports: Sequence[Report]) -> str:
    """One line a finding, `file:line rule severity message fix`, errors first, and a line of counts."""
    found = sorted(((r, f) for r in reports for f in r.findings), key=lambda pair: _ORDER.index(pair[1].severity))
    lines = [str(replace(finding, file=_path(report, finding))) for report, finding in found]
    counts = ", ".join(
        plural(n, severity) for severity in Severity if (n := sum(report.count(severity) for report in reports))
    )
    fixed = sum(report.fixed for report in reports)
    lines.append((counts or "clean") + (f", {fixed} fixed" if fixed else ""))
    return "\n".join(lines)


def as_json(reports: Sequence[Report]) -> dict[str, Any]:
    """Counts and findings; `fixable` says that --fix mends it."""
    return {
        "folders": [str(report.folder) for report in reports],
        "profile": reports[0].profile if reports else None,
        "instance": reports[0].instance if reports else None,
        **{f"{severity}s": sum(report.count(severity) for report in reports) for severity in Severity},
        "fixed": sum(report.fixed for report in reports),
        "findings": [
            {
                "file": _path(r, f),
                "line": f.line,
                "rule": f.rule,
                "name": f.name,
                "severity": str(f.severity),
                "message": f.message,
                "fix": f.fix,
                "fixable": f.edit is not None,
            }
            for r in reports
            for f in r.findings
        ],
    }


def as_sarif(reports: Sequence[Report]) -> dict[str, Any]:
    """A SARIF log with one run: every rule with its reason and cure, every finding with file and line."""
    rules = [
        {
            "id": code,
            "name": rule.NAME,
            "shortDescription": {"text": rule.NAME.replace("-", " ")},
            "fullDescription": {"text": rule.WHY},
            "help": {"text": rule.CURE},
            "defaultConfiguration": {"level": str(rule.SEVERITY)},
        }
        for code, rule in RULES.items()
    ]
    rules.append({"id": REMOVED, "name": REMOVED_NAME, "shortDescription": {"text": "release without Neuron"}})
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": index[finding.rule],
            "level": str(finding.severity),
            "message": {"text": f"{finding.message}. Fix: {finding.fix}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": Path(_path(report, finding)).as_posix()},
                        "region": {"startLine": finding.line},
                    }
                }
            ],
        }
        for report in reports
        for finding in report.findings
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "inf2lab lint", "rules": rules}}, "results": results}],
    }


def _path(report: Report, finding: Finding) -> str:
    return _joined(report.folder, finding.file)


@lru_cache
def _joined(folder: Path, file: str) -> str:
    if os.sep in file or "/" in file:  # a file given beside the folder keeps its own path
        return file
    return str(folder / file)
