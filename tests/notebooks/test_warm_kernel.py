"""A warm kernel is what a cold one would be, but for its imports."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest

import build_notebooks
import warm_kernel

SEES = """
import json, os, sys
print(json.dumps([sys.path, sys.executable, os.getcwd(), os.environ["OWN"], os.environ["MPLBACKEND"], __name__,
    "inf2lab" in sys.modules, "matplotlib" in sys.modules]))
"""


def sees(tmp_path: Path) -> list[object]:
    """What a cell of a kernel sees."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SEES)])
    build_notebooks.execute(notebook, cwd=tmp_path, log=tmp_path / "kernel.log", timeout_s=600)
    return json.loads(notebook.cells[0].outputs[0].text)


@pytest.mark.skipif(warm_kernel.NAME not in os.environ, reason="no warm process: not on Linux, or COLD_WORKERS is set")
def test_it_sees_what_a_cold_one_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "yes")
    *warm, inf2lab_there, matplotlib_there = sees(tmp_path)
    assert (inf2lab_there, matplotlib_there) == (False, True)
    monkeypatch.delenv(warm_kernel.NAME)
    assert sees(tmp_path) == [*warm, False, False]
    assert warm[1] == sys.executable
