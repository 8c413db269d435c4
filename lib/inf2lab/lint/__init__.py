"""The linter of model folders: what will not load, or not do what it says, before an instance is paid for.

report = lint("models/opt13b", settings)
"""

from inf2lab.lint._annotated import AnnotatedFile, annotated
from inf2lab.lint._folder import Target
from inf2lab.lint._interface import Example, Finding, Severity
from inf2lab.lint._output import as_json, as_sarif, as_text, render
from inf2lab.lint._run import Report, lint, lint_paths
from inf2lab.lint.registry import RULES

__all__ = [
    "RULES",
    "AnnotatedFile",
    "Example",
    "Finding",
    "Report",
    "Severity",
    "Target",
    "annotated",
    "as_json",
    "as_sarif",
    "as_text",
    "lint",
    "lint_paths",
    "render",
]
