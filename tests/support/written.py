"""What the notebooks write with %%writefile, read from their committed cells: nothing has to have been executed."""

from __future__ import annotations

from pathlib import Path

import nbformat


def written_by(notebook: Path, name: str) -> str:
    """The text of a file that a notebook writes, in one cell or several."""
    cells = [cell.source.partition("\n") for cell in nbformat.read(notebook, 4).cells]
    return "\n".join(text for first, _, text in cells if first.startswith("%%writefile") and first.endswith(f"/{name}"))


def write_folder(path: Path, notebook: Path) -> Path:
    """Make `path` the model folder that a notebook writes."""
    path.mkdir(parents=True)
    for name in ("serving.properties", "model.py"):
        if text := written_by(notebook, name):
            (path / name).write_text(f"{text}\n", encoding="utf-8")
    return path
