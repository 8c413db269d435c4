"""The linter of model folders: what will not load, or not do what it says, before an instance is paid for.

report = lint("models/opt13b", settings)
"""

from inf2lab.lint.annotations import annotated
from inf2lab.lint.finding import Example, Finding, Severity
from inf2lab.lint.output import as_json, as_sarif, as_text, render
from inf2lab.lint.registry import RULES
from inf2lab.lint.runner import REMOVED, REMOVED_NAME, Report, lint, lint_paths
from inf2lab.lint.target import Target

__all__ = [
    "REMOVED",
    "REMOVED_NAME",
    "RULES",
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
