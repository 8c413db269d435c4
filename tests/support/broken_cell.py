"""The cell that a run of a notebook gets at its end, which judges the notebook's checks on broken work."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tests.support import broken_checks

TAG = "broken-checks"


def inject(source: Path, target: Path, broken: Path) -> Path:
    """Copy notebooks into `target`, those that have items with the cell that judges their checks; return it."""
    target.mkdir()
    for path in source.glob("[0-9][0-9]_*.ipynb"):
        notebook, items = nbformat.read(path, as_version=4), broken / f"{path.stem[:2]}.py"
        if items.exists():
            judge = f"runpy.run_path({broken_checks.__file__!r})['judge']"
            code = f"import runpy\n\n{judge}(globals(), {str(path)!r}, {str(items)!r})"
            notebook.cells.append(nbformat.v4.new_code_cell(code, metadata={"tags": [TAG]}))
        nbformat.write(notebook, target / path.name)
    return target


def split(executed: NotebookNode) -> tuple[NotebookNode, dict[str, str]]:
    """Return an executed notebook as a reader knows it, and what its checks said of their broken subjects."""
    judging = [cell for cell in executed.cells if TAG in cell.metadata.get("tags", [])]
    printed = "".join(output.get("text", "") for cell in judging for output in cell.outputs)
    cells = [cell for cell in executed.cells if cell not in judging]
    return nbformat.from_dict({**executed, "cells": cells}), json.loads(printed or "{}")
