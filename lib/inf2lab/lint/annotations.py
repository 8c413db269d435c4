"""A linted file line by line, each finding below its line: as text for a terminal, as a table for a notebook."""

import textwrap
from dataclasses import dataclass
from html import escape

from inf2lab.folder import FILE_NAME
from inf2lab.language import translated_html
from inf2lab.lint.finding import Finding, Severity
from inf2lab.lint.runner import Report
from inf2lab.words import as_html, on_the_left

WIDTH = 96
SIGNS = {Severity.ERROR: "✗", Severity.WARNING: "▲", Severity.NOTE: "•"}  # no colour: it would speak alone
_INDENT = " " * 6


@dataclass(frozen=True, repr=False)
class AnnotatedFile:
    """Lines of one file with the findings on each: (number from 1, text, findings)."""

    name: str
    lines: tuple[tuple[int, str, tuple[Finding, ...]], ...]

    def __str__(self) -> str:
        shown: list[str] = []
        for number, text, findings in self.lines:
            shown.append(f"{number:3} | {text}")
            for finding in findings:
                shown += _wrap(f"{_marked(finding)}: {finding.message}.")
                shown += _wrap(f"Fix: {finding.fix}")
        return "\n".join(shown)

    def __repr__(self) -> str:
        return str(self)  # what a notebook shows where HTML is not

    def _repr_html_(self) -> str:
        rows: list[str] = []
        for number, text, findings in self.lines:
            code = escape(text).replace(" ", "&nbsp;")
            rows.append(_row(str(number), f"<code>{code}</code>"))
            rows += [
                _row("", f"<strong>{_marked(f)}</strong>: {as_html(f.message)}.<br>Fix: {as_html(f.fix)}")
                for f in findings
            ]
        head = f"<tr><th></th>{on_the_left('th', escape(self.name))}</tr>"
        return translated_html(f"<table>{head}{''.join(rows)}</table>")


def annotated(report: Report, file: str = FILE_NAME, *, whole: bool = True) -> AnnotatedFile:
    """Return one of the folder's files with what was found in it; without `whole` only the lines with a finding."""
    text = (report.folder / file).read_text(encoding="latin-1" if file == FILE_NAME else "utf-8")
    lines = [
        (number, line, tuple(f for f in report.findings if (f.file, f.line) == (file, number)))
        for number, line in enumerate(text.splitlines(), 1)
    ]
    return AnnotatedFile(file, tuple(line for line in lines if whole or line[2]))


def _marked(finding: Finding) -> str:
    return f"{SIGNS[finding.severity]} {finding.severity} {finding.rule}"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False, break_long_words=False
    )


def _row(number: str, text: str) -> str:
    return f"<tr><td>{number}</td>{on_the_left('td', text)}</tr>"
