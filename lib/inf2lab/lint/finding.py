"""What every rule and every report share: severities, findings, edits, and what a rule module holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from inf2lab.folder import Edit, Entry, Place, Variable, Words
from inf2lab.lint.commands import Request
from inf2lab.lint.target import Folder


class Severity(StrEnum):
    """How bad a finding is; only errors make the command fail. SARIF uses the same three words."""

    ERROR = "error"  # it does not load, or answers with an error
    WARNING = "warning"  # it runs, and probably not as meant
    NOTE = "note"  # it runs as written; worth knowing


@dataclass(frozen=True)
class Finding:
    """One place where a rule is broken: `line` counts from 1; `fix` is what to do, `edit` what --fix does."""

    file: str
    line: int
    rule: str
    name: str
    severity: Severity
    message: str
    fix: str
    edit: Edit | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.rule} {self.severity} {self.message}. Fix: {self.fix}"


@dataclass(frozen=True)
class Example:
    """One more pair for a rule: `bad` gives exactly `expect` ("file:line message"), `good` gives nothing."""

    bad: str | Mapping[str, str]
    good: str | Mapping[str, str]
    expect: tuple[str, ...]
    profile: str = "djl-0.25"
    instance: str = "inf2.48xlarge"
    folder: str = "opt13b"


@dataclass(frozen=True)
class Hit:
    """What a rule's `check` yields: the place and the words; the registry adds code, name and severity.

    A number `at` is a line of serving.properties. `severity` and `fix` stand in for the rule's own SEVERITY and CURE.
    """

    at: int | Place | Entry | Variable | Words | Request
    message: str
    fix: str | None = None
    severity: Severity | None = None
    edit: Edit | None = None


Hits = Iterator[Hit]


class Rule(Protocol):
    """A module in `rules/`. BAD and GOOD are serving.properties, or {file: text}; EXPECT is what BAD yields."""

    NAME: str
    SEVERITY: Severity
    WHY: str
    CURE: str
    BAD: str | Mapping[str, str]
    GOOD: str | Mapping[str, str]
    EXPECT: Sequence[str]

    def check(self, folder: Folder) -> Hits:
        """Yield a hit for each place in `folder` that breaks the rule."""
        ...
