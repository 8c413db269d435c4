"""tools/notebooks/notebook_files.py: parameters, and which outputs nbval may not compare."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import get_sanitize_patterns

from notebook_files import NotebookToolError, Parameter, parameters_of

PATTERNS = get_sanitize_patterns((Path(__file__).parent / "sanitize.cfg").read_text(encoding="ascii"))


def notebook_with(source: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    return nbformat.v4.new_notebook(cells=[cell])


def test_parameters_are_read_with_their_types() -> None:
    found = parameters_of(notebook_with('# a comment\nlane: str = "rehearsal"\nport: int = 8080  # why\n'))
    assert found == {"lane": Parameter("lane", "str", "rehearsal"), "port": Parameter("port", "int", 8080)}


@pytest.mark.parametrize(
    "line",
    [
        "port = 8080",
        "port: int = 8000 + 80",
        "port: int = '8080'",
        "tags: list = []",
        "x: int | None = None",
        "import os",
    ],
)
def test_anything_but_an_annotated_scalar_is_refused(line: str) -> None:
    with pytest.raises(NotebookToolError, match="write `name: int = 2`"):
        parameters_of(notebook_with(line))


@pytest.mark.parametrize(
    ("type_name", "default", "text", "value"),
    [
        ("int", 2, "8", 8),
        ("float", 1.5, "2", 2.0),
        ("bool", True, "false", False),
        ("str", "x", "true", "true"),
        ("str", "x", "", ""),
    ],
)
def test_a_value_is_read_as_its_parameter_says(type_name: str, default: object, text: str, value: object) -> None:
    parsed = Parameter("name", type_name, default).parse(text)
    assert (type(parsed), parsed) == (type(value), value)


def sanitized(text: str) -> str:
    for pattern, replacement in PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ready after 3 s", "ready after 12 s"),
        ("answered in 0.83 s", "answered in 1.2 s"),
        ("412.3 tokens/s", "38.0 tokens/s"),
        ("http://127.0.0.1:8080/ping", "http://127.0.0.1:40123/ping"),
        ("server pid 4711", "server pid 99"),
        ("2026-11-23 07:20:28,123 INFO", "2026-11-24T08:00:00 INFO"),
        ("Writing models/opt13b/model.py", "Overwriting models/opt13b/model.py"),
        ("<function f at 0x7f12ab34cd56>", "<function f at 0x10a2b3c4d>"),
        ("x-request-id: 6b4f6f0e-5a5c-4a52-b8e6-0e8e1f2a3b4c", "x-request-id: 00000000-0000-0000-0000-000000000000"),
    ],
)
def test_what_changes_from_run_to_run_is_not_compared(one: str, other: str) -> None:
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("predict_timeout is 120 s", "predict_timeout is 240 s"),
        ("12.3 GiB per core", "14.3 GiB per core"),
        ("degree 24: 40 heads", "degree 24: 48 heads"),
        ("503 Service Unavailable", "500 Service Unavailable"),
    ],
)
def test_facts_are_compared(one: str, other: str) -> None:
    assert sanitized(one) != sanitized(other)
