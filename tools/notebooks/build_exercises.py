#!/usr/bin/env python
"""Builds notebooks/exercises/NN_name.ipynb from notebooks/source/exercises/NN_name.py, with the solutions taken out.

In a source, the lines between `# solution: HINT` and `# end of solution` are the solution. In the exercise one line
stands in their place: `# Your turn: HINT`. The rest of the cell must run without them and give a wrong answer, which
the cell tagged `check` at the end finds. tests/notebooks/test_exercises.py runs both versions.

python tools/notebooks/build_exercises.py            write all exercises
python tools/notebooks/build_exercises.py --check    write nothing; exit 1 when an exercise differs from its source
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from nbformat import NotebookNode

from build_notebooks import build
from inf2lab import paths
from kept_copies import keep_if_a_readers
from notebook_files import NOTEBOOKS, SOURCES, NotebookToolError, find_notebooks, read_notebook, write_notebook

SOLUTIONS = SOURCES / "exercises"
EXERCISES = NOTEBOOKS / "exercises"
_REGION = re.compile(
    r"^(?P<indent>[ ]*)# solution: (?P<hint>.+)\n(?:.*\n)*?(?P=indent)# end of solution$", re.MULTILINE
)
_MARK = re.compile(r"^ *# (?:solution\b|end of solution)", re.MULTILINE)


def exercise(source: Path) -> NotebookNode:
    """The notebook of a source with every solution replaced by its hint.

    Raises NotebookToolError where a mark has no partner, or where there is no solution to take out.
    """
    notebook, taken = build(source), 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.source, count = _REGION.subn(r"\g<indent># Your turn: \g<hint>", cell.source)
        taken += count
        if _MARK.search(cell.source):
            raise NotebookToolError(
                f"{paths.shown(source)}, cell {cell.id}: a solution begins with `# solution: HINT` and ends with "
                "`# end of solution` at the same indentation"
            )
    if not taken:
        raise NotebookToolError(f"{paths.shown(source)}: no `# solution: HINT` in it, so there is nothing to solve")
    return notebook


def differences(sources: list[Path], out: Path) -> list[str]:
    """A sentence for each exercise that is not what its source makes, or has no source."""
    problems = []
    for source in sources:
        path = out / f"{source.stem}.ipynb"
        if not path.exists():
            problems.append(f"{paths.shown(path)} is missing")
        elif read_notebook(path) != exercise(source):
            problems.append(f"{paths.shown(path)} is not what {paths.shown(source)} makes")
    known = {source.stem for source in sources}
    return problems + [
        f"{paths.shown(path)} has no source" for path in sorted(out.glob("*.ipynb")) if path.stem not in known
    ]


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when all was written or agrees, 1 when not, 2 when a source cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--source", type=Path, default=SOLUTIONS, help="folder of NN_name.py")
    parser.add_argument("--out", type=Path, default=EXERCISES, help="folder of NN_name.ipynb")
    options = parser.parse_args(arguments)
    try:
        sources = find_notebooks(options.source, [], suffix=".py")
        if options.check:
            problems = differences(sources, options.out)
            print(*problems, sep="\n", end="\n" if problems else "")
            if problems:
                print("`make notebooks` writes them anew, and keeps a copy of one that you have filled in")
            return int(bool(problems))
        options.out.mkdir(parents=True, exist_ok=True)
        for source in sources:
            target, notebook = options.out / f"{source.stem}.ipynb", exercise(source)
            if kept := keep_if_a_readers(target, notebook):
                print(f"{paths.shown(target)} was filled in: your answers are kept in {paths.shown(kept)}")
            write_notebook(notebook, target)
    except NotebookToolError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(sources)} exercises written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
