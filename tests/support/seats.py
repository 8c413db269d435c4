"""Seats of a workshop: exercises and quiz as a reader would have filled them in, rightly or not."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import build_exercises
from inf2lab.grading import questions

SOURCES = {path.stem: path for path in sorted(build_exercises.SOLUTIONS.glob("*.py"))}
_HINTS = re.compile(r"^ *# (?:solution: .+|end of solution)\n?", re.MULTILINE)


def solved(name: str) -> NotebookNode:
    """The notebook that readers get, with every answer filled in as the solution has it; it is the caller's own."""
    return copy.deepcopy(_solved(name))


@cache
def _solved(name: str) -> NotebookNode:
    notebook = build_exercises.quiz() if name == "quiz" else build_exercises.exercise(SOURCES[name])
    right = {} if name == "quiz" else {cell.id: cell.source for cell in build_exercises.build(SOURCES[name]).cells}
    for cell in notebook.cells:
        if "answer" in cell.metadata.get("tags", []):
            cell.source = _quiz_answer(cell.source) if name == "quiz" else _HINTS.sub("", right[cell.id])
    return notebook


def _quiz_answer(blank: str) -> str:
    number = int(blank[1 : blank.index(" ")])
    return f"q{number} = {questions()[number - 1].answer!r}"


def changed(notebook: NotebookNode, old: str, new: str) -> NotebookNode:
    """The notebook with a text of one of its answers replaced; it must be there."""
    (cell, *_) = [cell for cell in notebook.cells if "answer" in cell.metadata.get("tags", []) and old in cell.source]
    cell.source = cell.source.replace(old, new)
    return notebook


def write(folder: Path, notebooks: Mapping[str, NotebookNode]) -> Path:
    """A seat's folder with these notebooks."""
    folder.mkdir(parents=True)
    for name, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder
