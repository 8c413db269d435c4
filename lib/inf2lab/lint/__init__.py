"""The linter of model folders: what will not load, or not do what it says, before an instance is paid for.

report = lint("models/opt13b", settings)
"""

from inf2lab.lint.annotations import annotated
from inf2lab.lint.commands import Request
from inf2lab.lint.finding import Example, Finding
from inf2lab.lint.output import render
from inf2lab.lint.registry import RULES
from inf2lab.lint.runner import REMOVED, REMOVED_NAME, lint, lint_paths
from inf2lab.lint.target import Folder, Target, read_folder

__all__ = [
    "REMOVED",
    "REMOVED_NAME",
    "RULES",
    "Example",
    "Finding",
    "Folder",
    "Request",
    "Target",
    "annotated",
    "lint",
    "lint_paths",
    "read_folder",
    "render",
]
