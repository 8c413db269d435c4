"""The code cells of a committed notebook, run in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def run_cells(name: str, values: Mapping[str, object], variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a notebook's cells, with other parameters where it has them; returns its variables.

    `variables` are filled while it runs: for whoever must end what a notebook that fails has begun.
    """
    variables = {} if variables is None else variables
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.id, "exec"), variables)
            if "parameters" in cell.metadata.get("tags", ()):
                variables.update((key, value) for key, value in values.items() if key in variables)
    return variables
