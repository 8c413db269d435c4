"""What the linter's tests share: a folder written from a rule's example, and the text of a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from inf2lab.lint import Finding, Target, lint
from inf2lab.lint.runner import Report

Files = str | Mapping[str, str]
Write = Callable[..., Path]
Lint = Callable[..., Report]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes {file: text} into a new folder called `name`; a text alone is serving.properties."""
    made = 0

    def write(files: Files, name: str = "opt13b") -> Path:
        nonlocal made
        made += 1
        folder = tmp_path / str(made) / name
        folder.mkdir(parents=True)
        for file, text in ({"serving.properties": files} if isinstance(files, str) else files).items():
            encoding = "latin-1" if file.endswith(".properties") else "utf-8"
            (folder / file).write_text(text, encoding=encoding, newline="")
        return folder

    return write


@pytest.fixture
def lint_files(write: Write) -> Lint:
    """A function that lints {file: text} under a profile and instance."""

    def run(files: Files, profile: str = "djl-0.25", instance: str = "inf2.48xlarge", name: str = "opt13b") -> Report:
        return lint(write(files, name), Target(profile, instance))

    return run


def told(finding: Finding) -> str:
    """The finding as EXPECT writes it."""
    return f"{finding.file}:{finding.line} {finding.message}"
