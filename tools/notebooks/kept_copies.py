"""What a reader typed into a notebook outlives a build: a copy is kept before the notebook is written anew."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from inf2lab import paths
from notebook_files import NotebookToolError, read_notebook

_Text = list[tuple[str, str]]  # kind and source of each cell; outputs come back with a run


def keep_if_a_readers(target: Path, built: NotebookNode) -> Path | None:
    """Copy `target` into logs/kept if its text is neither that of `built` nor the committed one; returns the copy.

    Where git knows no committed one (an unpacked archive), everything that differs from `built` is kept.
    """
    if not target.exists():
        return None
    try:
        text = _text(read_notebook(target))
    except NotebookToolError:  # perhaps a reader's file, half written
        text = []
    if text in (_text(built), _committed(target)):
        return None
    copy = _free(paths.logs() / "kept", f"{target.stem}-{time.strftime('%Y%m%d-%H%M%S')}")
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(target.read_bytes())
    return copy


def _text(notebook: NotebookNode) -> _Text:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def _committed(target: Path) -> _Text | None:
    """The text of the committed notebook, or None where git has none or is not there."""
    command = ["git", "-C", str(target.parent), "show", f"HEAD:./{target.name}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)
        return _text(nbformat.reads(done.stdout.decode(), as_version=4)) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired, nbformat.ValidationError):
        return None


def _free(folder: Path, stem: str) -> Path:
    """A name that nobody has taken: two builds may fall into one second."""
    path, number = folder / f"{stem}.ipynb", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.ipynb"
    return path
