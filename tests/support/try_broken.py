"""Runs some notebooks in a clone, with their broken subjects: python -m tests.support.try_broken 03 04"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat

from tests.support import broken_cell, ports
from tests.support.clones import ROOT, make_clone, run_tutorial

BROKEN = ROOT / "tests" / "notebooks" / "broken"


def main() -> None:
    """Print what each check said of its broken subject; it must be FAIL."""
    with tempfile.TemporaryDirectory() as folder:
        clone = make_clone(Path(folder) / "clone")
        source = broken_cell.inject(ROOT / "notebooks", Path(folder) / "notebooks", BROKEN)
        print(run_tutorial(clone, ports.free_port(1), "--source", str(source), *sys.argv[1:]).stdout)
        for path in sorted((clone / "logs" / "runs").glob("*/*.ipynb")):
            for claim, said in broken_cell.split(nbformat.read(path, as_version=4))[1].items():
                print(f"{path.stem}: {claim}: {said}")


if __name__ == "__main__":
    main()
