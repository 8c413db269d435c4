"""tools/notebooks/kept_copies.py: what a reader typed survives a build, and what nobody typed is not kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

import kept_copies
from notebook_files import write_notebook


def notebook(*cells: str) -> NotebookNode:
    """A notebook of code cells."""
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(text, id=f"nb06-c{number:02}") for number, text in enumerate(cells)]
    return made


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed notebook in a clone of its own, whose logs are in that clone."""
    monkeypatch.setenv("INF2LAB_LOGS", str(tmp_path / "logs"))
    path = tmp_path / "notebooks" / "06_call.ipynb"
    write_notebook(notebook("answer = 0"), path)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "notebooks"], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return path


def test_what_a_reader_typed_is_kept(target: Path) -> None:
    write_notebook(notebook("answer = 42"), target)
    copy = kept_copies.keep_if_a_readers(target, notebook("answer = 1"))
    assert copy is not None
    assert copy.parent == target.parents[1] / "logs" / "kept"
    assert "answer = 42" in copy.read_text()
    again = kept_copies.keep_if_a_readers(target, notebook("answer = 1"))
    assert again is not None
    assert again != copy


def test_the_committed_text_is_not_kept_also_after_a_run(target: Path) -> None:
    ran = notebook("answer = 0")
    ran.cells[0].outputs = [nbformat.v4.new_output("stream", text="mine")]
    write_notebook(ran, target)
    assert kept_copies.keep_if_a_readers(target, notebook("answer = 1")) is None


def test_what_the_source_makes_is_not_kept(target: Path) -> None:
    write_notebook(notebook("answer = 1"), target)
    assert kept_copies.keep_if_a_readers(target, notebook("answer = 1")) is None
    assert not (target.parents[1] / "logs" / "kept").exists()


def test_without_git_what_differs_is_kept(target: Path, tmp_path: Path) -> None:
    (tmp_path / ".git").rename(tmp_path / "elsewhere")
    assert kept_copies.keep_if_a_readers(target, notebook("answer = 1")) is not None


def test_a_file_that_is_no_notebook_is_kept(target: Path) -> None:
    target.write_text("{half")
    copy = kept_copies.keep_if_a_readers(target, notebook("answer = 1"))
    assert copy is not None
    assert copy.read_text() == "{half"


def test_a_notebook_that_is_not_there_is_not_kept(tmp_path: Path) -> None:
    assert kept_copies.keep_if_a_readers(tmp_path / "06_call.ipynb", notebook("a")) is None
