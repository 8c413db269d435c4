#!/usr/bin/env python
"""Write docs/article_defects.md and docs/lint_rules.md from the linter's rules; --check only compares.

The first has a hand-written template, tools/pages/article_defects.in.md, with three marks:
{{lint E001}} is what the rule says about the article's files, {{rule D001}} what it says about its own example,
{{none}} that no rule can know; [[seed-0.21.image]] is a value of a profile. A mark that gives nothing is an error.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from inf2lab import catalog
from inf2lab.folder import ARTICLE, ARTICLE_PROFILE, write_article
from inf2lab.lint import REMOVED, REMOVED_NAME, RULES, Example, Finding, Target, lint
from page_files import DOCS, options, write_pages

TEMPLATE = Path(__file__).with_name("article_defects.in.md")
DEFECTS = DOCS / "article_defects.md"
RULE_PAGE = DOCS / "lint_rules.md"
GROUPS = {
    "P": "The format of serving.properties",
    "K": "Keys",
    "V": "Values",
    "E": "Which handler answers",
    "D": "Number format",
    "T": "Degree, memory and copies",
    "O": "Positions",
    "B": "Batch and workers",
    "L": "Time limits",
    "I": "The model",
    "M": "model.py",
    "R": "Requests",
    "S": "The container",
    "W": "Launch files of the servers that came after",
}


class MarkError(ValueError):
    """A mark of the template that names nothing: the text and the tool disagree."""


def defects() -> str:
    """Return the page of the article's defects."""
    text = re.sub(r"\[\[([\w.-]+)\]\]", _fact, TEMPLATE.read_text(encoding="utf-8"))
    return re.sub(r"\{\{([^}]+)\}\}", _marks, text)


def rule_page() -> str:
    """Return the page of all rules, each with its reason, cure and examples."""
    lines = [
        "# What `inf2lab lint` looks for",
        "",
        "Built from `lib/inf2lab/lint/rules` by `tools/pages/write_defects.py`. An **error** does not load or answers",
        "with an error; a **warning** runs, and probably not as meant; a **note** is worth knowing. Messages are those",
        "of the bad example, which a test runs. A comment `# lint: allow duplicate-key` in serving.properties switches",
        "a rule off.",
        "",
        "| code | name | severity | --fix |",
        "|---|---|---|---|",
    ]
    for code, rule in RULES.items():
        fixes = "yes" if any(finding.edit for finding in _on_example(code)) else ""
        lines.append(f"| [{code}](#{code.lower()}-{rule.NAME}) | {rule.NAME} | {rule.SEVERITY} | {fixes} |")
    lines.append(f"| {REMOVED} | {REMOVED_NAME}: the profile is of {catalog.neuron_removed_in()} or later | error |  |")
    group = ""
    for code, rule in RULES.items():
        if code[0] != group:
            group = code[0]
            lines += ["", f"## {GROUPS[group]}"]
        lines += ["", f"### {code} {rule.NAME}", "", f"{rule.__doc__} {rule.WHY}", "", f"**Cure:** {rule.CURE}", ""]
        lines += ["Bad:", "", *_files(rule.BAD), *(f"> {finding}\n" for finding in rule.EXPECT)]
        lines += ["Good:", "", *_files(rule.GOOD)[:-1]]
    return "\n".join(lines).rstrip("\n") + "\n"


@cache
def on_article() -> tuple[Finding, ...]:
    """What the linter says about the article's folders."""
    found: list[Finding] = []
    for route in ARTICLE:
        with tempfile.TemporaryDirectory() as store:
            found += lint(write_article(route, store), Target(ARTICLE_PROFILE)).findings
    return tuple(found)


@cache
def _on_example(code: str) -> tuple[Finding, ...]:
    """What a rule says about its own bad example."""
    rule = RULES[code]
    files = {"serving.properties": rule.BAD} if isinstance(rule.BAD, str) else rule.BAD
    with tempfile.TemporaryDirectory() as store:
        folder = Path(store) / Example.folder
        folder.mkdir()
        for name, text in files.items():
            encoding = "latin-1" if name.endswith(".properties") else "utf-8"
            (folder / name).write_text(text, encoding=encoding)
        report = lint(folder, Target(getattr(rule, "PROFILE", Example.profile)))
    return tuple(finding for finding in report.findings if finding.rule == code)


def _marks(match: re.Match[str]) -> str:
    if match[1] == "none":
        return "- **Linter:** nothing; no file of the folder tells it."
    lines: list[str] = []
    for part in match[1].split(","):
        kind, *codes = part.split()
        if kind not in ("lint", "rule"):
            raise MarkError(f"{{{{{match[1]}}}}}: begin with `lint` or `rule`")
        for code in codes:
            lines += _said(kind, code)
    return "\n".join(lines)


def _said(kind: str, code: str) -> list[str]:
    if code not in RULES:
        raise MarkError(f"{code}: the linter has no such rule")
    findings = _on_example(code) if kind == "rule" else [f for f in on_article() if f.rule == code]
    if not findings:
        raise MarkError(f"{code}: nothing found in the article's files; write `rule {code}` to show its example")
    anchor = f"[{code}](lint_rules.md#{code.lower()}-{RULES[code].NAME})"
    seen: dict[str, None] = {}
    for finding in findings:
        where = "its example" if kind == "rule" else f"{finding.file}:{finding.line}"
        seen[f"- **Linter:** {anchor} {finding.severity}, {where}: *{finding.message}*"] = None
    return list(seen)[:2]  # the two routes at most


def _fact(match: re.Match[str]) -> str:
    said = re.fullmatch(r"([\w-]+\.\d+)\.(\w+)(?:\.(.+))?", match[1])
    if said is None:
        raise MarkError(f"[[{match[1]}]]: write a profile, a field and perhaps a key, as in [[seed-0.21.image]]")
    value = getattr(catalog.profile(said[1]), said[2])
    return str(value[said[3]] if said[3] else value)


def _files(files: str | Mapping[str, str]) -> list[str]:
    """The files of an example as fenced blocks; bytes that are no ASCII are shown as Java would escape them."""
    lines: list[str] = []
    for name, text in ({"serving.properties": files} if isinstance(files, str) else files).items():
        shown = "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in text).rstrip("\n")
        kind = {"py": "python", "json": "json", "sh": "bash"}.get(name.rsplit(".", 1)[-1], "properties")
        lines += [f"`{name}`", f"```{kind}", shown, "```", ""]
    return lines


def main() -> int:
    """Write both pages, or compare them with --check. Exit code 1 if one is out of date."""
    check = options(__doc__).parse_args().check
    return write_pages({DEFECTS: defects(), RULE_PAGE: rule_page()}, check=check)


if __name__ == "__main__":
    sys.exit(main())
