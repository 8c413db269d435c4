"""What DJLServing itself runs on Neuron, release by release: no error, and no warning that is not true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inf2lab.lint.finding import Severity

if TYPE_CHECKING:
    from conftest import Lint

RELEASES = json.loads(Path(__file__).with_name("upstream_ci.json").read_text())["releases"]
CASES = [(release, name) for release, rows in RELEASES.items() for name in rows]
# Warnings that are true: the answer is shorter than a reader may think, or computed otherwise than the model says.
TRUE = {
    ("djl-0.29", "llama-speculative-rb"): {"O001"},
    ("djl-0.29", "llama-speculative-compiled-rb"): {"O001"},
    ("djl-0.29", "llama-3-8b neo"): {"O001"},
    ("djl-0.29", "neuronx-llama3-1-8b"): {"I004"},  # scaled rotary positions came with transformers-neuronx 0.12.313
}


def written(name: str, row: dict[str, Any]) -> Iterator[str]:
    """serving.properties of one configuration, line by line."""
    yield "engine=Python"
    if not name.endswith(" neo"):
        yield "option.entryPoint=djl_python.transformers_neuronx"
    yield from (f"option.{key}={value}" for key, value in row.items() if key != "plain")
    yield from (f"{key}={value}" for key, value in row.get("plain", {}).items())


def test_all_five_releases_are_there() -> None:
    assert len(RELEASES) == 5
    assert len(CASES) > 80


@pytest.mark.parametrize(("release", "name"), CASES)
def test_what_is_run_upstream_gives_no_error_and_no_false_warning(release: str, name: str, lint_files: Lint) -> None:
    text = "\n".join(written(name, RELEASES[release][name])) + "\n"
    found = lint_files(text, release, "inf2.24xlarge", "test").findings
    assert [str(f) for f in found if f.severity is Severity.ERROR] == []
    warned = {f.rule for f in found if f.severity is Severity.WARNING}
    assert warned == TRUE.get((release, name), set())
