"""Builds notebooks/NN_name.ipynb from notebooks/source/NN_name.py, executed in order, and compares the two.

python tools/notebooks/build_notebooks.py [NAME...]    build and execute all, or those named (06, or 06_call)
python tools/notebooks/build_notebooks.py --check      execute nothing; exit 1 when a notebook differs from its source
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from inf2lab import paths
from kept_copies import keep_if_a_readers
from link_terms import link_terms
from notebook_files import (
    NOTEBOOKS,
    ROOT,
    SOURCES,
    NotebookToolError,
    failure_of,
    find_notebooks,
    is_clean_up,
    kernel_class,
    read_notebook,
    tags_of,
    title_of,
    write_notebook,
)

CELL_ID = re.compile(r"nb(?P<notebook>\d\d)-c\d\d")
# A widget's id means nothing without its kernel, and hides the picture that the widget leaves; nbval ignores it too.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# The same on every machine: the runner would write its Python's patch version here.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def build(source: Path, *, up: str = "../") -> NotebookNode:
    """The notebook that a py:percent file describes, its terms linked to the glossary (`up` from it), without outputs.

    Raises NotebookToolError on a cell without an id of the form nbNN-cMM.
    """
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    for cell in jupytext.read(source, fmt="py:percent").cells:
        if not cell.source.strip():
            continue
        # jupytext keeps `id="..."` as metadata and draws a random id, which would change at every build.
        cell_id = cell.metadata.get("id", "")
        if (found := CELL_ID.fullmatch(cell_id)) is None or found["notebook"] != source.stem[:2]:
            raise NotebookToolError(_wrong_id(source, cell.source, cell_id))
        tags = tags_of(cell)
        new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        text = cell.source if "active" in cell.metadata else uncommented(cell.source)
        notebook.cells.append(new(text, id=cell_id, metadata={"tags": tags} if tags else {}))
    link_terms(notebook.cells, source.stem[:2], up=up)
    return notebook


def uncommented(text: str) -> str:
    """The text of a `%%magic` cell that the source comments out whole; any other text as it is.

    jupytext itself uncomments only the first line: the rest may be Python, which stays readable for linters.
    """
    first, *rest = text.split("\n")
    if not (first.startswith("%%") and rest and all(line.startswith("#") for line in rest)):
        return text
    return "\n".join([first, *(line[1:].removeprefix(" ") for line in rest)])


def _wrong_id(source: Path, text: str, cell_id: str) -> str:
    first = text.splitlines()[0]
    if first == "# ---":
        return f"{paths.shown(source)}: the header at its top is not closed by a line `# ---`"
    wanted = f'# %% id="nb{source.stem[:2]}-c07"'
    return f"{paths.shown(source)}: the cell that begins {first!r} has id {cell_id!r}; begin it with `{wanted}`"


def execute(notebook: NotebookNode, *, cwd: Path, log: Path, timeout_s: int) -> NotebookNode:
    """Runs every cell in place from `cwd`; raises nbclient's errors when a cell fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        timeout=timeout_s,
        record_timing=False,  # times would change every cell at every build
        coalesce_streams=True,
        kernel_manager_class=kernel_class(log),
        resources={"metadata": {"path": str(cwd)}},
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def keep_outputs(built: NotebookNode, stored: NotebookNode) -> NotebookNode:
    """`built` with the stored outputs of those code cells whose id and source are unchanged."""
    old = {cell.get("id"): cell for cell in stored.cells if cell.cell_type == "code"}
    for cell in built.cells:
        before = old.get(cell.id)
        if cell.cell_type == "code" and before is not None and before.source == cell.source:
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
    return built


def differences(source: Path, stored_path: Path) -> list[str]:
    """What differs between a source file and its stored notebook, a sentence each; empty when they agree."""
    if not stored_path.exists():
        return [f"{paths.shown(stored_path)} is missing"]
    built, stored = build(source), read_notebook(stored_path)
    problems = []
    if (ids := [cell.id for cell in built.cells]) != (stored_ids := [cell.get("id") for cell in stored.cells]):
        change = (
            " ".join(d for d in difflib.ndiff(stored_ids, ids) if d[0] in "+-").replace("+ ", "+").replace("- ", "-")
        )
        problems.append(
            f"{paths.shown(stored_path)}: other cells than in its source (+ source only, - notebook only): {change}"
        )
    by_id = {cell.get("id"): cell for cell in stored.cells}
    for cell in built.cells:
        if (other := by_id.get(cell.id)) is None:
            continue
        for part, new, old in (
            ("kind", cell.cell_type, other.cell_type),
            ("tags", tags_of(cell), tags_of(other)),
            ("text", cell.source, other.source),
            ("metadata", dict(cell.metadata), dict(other.metadata)),
        ):
            if new != old:
                problems.append(
                    f"{paths.shown(stored_path)}, cell {cell.id}: {part} differs: {_first_difference(new, old)}"
                )
                break
    if stored.metadata != built.metadata:
        change = _first_difference(built.metadata, stored.metadata)
        problems.append(f"{paths.shown(stored_path)}: the notebook's metadata differs: {change}")
    return problems


def _first_difference(new: object, old: object) -> str:
    if not (isinstance(new, str) and isinstance(old, str)):
        return f"source {new!r}, notebook {old!r}"
    new_lines, old_lines = new.splitlines(), old.splitlines()
    at = next(
        (i for i, (a, b) in enumerate(zip(new_lines, old_lines, strict=False)) if a != b),
        min(len(new_lines), len(old_lines)),
    )
    ends = [lines[at] if at < len(lines) else "(end of cell)" for lines in (new_lines, old_lines)]
    return f"line {at + 1}: source {ends[0]!r}, notebook {ends[1]!r}"


def check(sources: list[Path], out: Path, *, whole_folder: bool) -> int:
    """Prints every difference; returns how many there are."""
    problems = [text for source in sources for text in differences(source, out / f"{source.stem}.ipynb")]
    if whole_folder:
        extra = {path.stem for path in out.glob("*.ipynb")} - {path.stem for path in sources}
        problems += [f"{paths.shown(out / name)}.ipynb has no source {name}.py" for name in sorted(extra)]
    for text in problems:
        print(text)
    print(
        f"{len(problems)} differences; edit notebooks/source and build with `make notebooks`, which keeps a copy "
        "of a notebook that you have changed (`ARGS='--no-execute NN'` where text alone has changed)"
        if problems
        else f"{len(sources)} notebooks agree with their sources"
    )
    return len(problems)


def build_one(source: Path, out: Path, *, logs: Path, cwd: Path, run: bool, timeout_s: int) -> bool:
    """Builds one notebook into `out`; prints a line, or the failing cell. Returns whether it succeeded."""
    target, notebook = out / f"{source.stem}.ipynb", build(source)
    print(f"{source.stem}: {title_of(notebook)} ", end="", flush=True)
    started = time.monotonic()
    if run:
        failed = logs / target.name
        try:
            execute(notebook, cwd=cwd, log=logs / "kernel.log", timeout_s=timeout_s)
            failure = failure_of(notebook)
        except Exception as error:  # whatever ends a kernel is reported with its cell, below
            failure = failure_of(notebook, error)
        if failure is not None:
            write_notebook(notebook, failed)
            print(f"FAILED\n{failure.text()}\n  as far as it ran: {paths.shown(failed)}")
            print(f"  {paths.shown(target)} is left as it was")
            return False
        failed.unlink(missing_ok=True)
    elif target.exists():
        notebook = keep_outputs(notebook, read_notebook(target))
    kept = keep_if_a_readers(target, notebook)
    write_notebook(notebook, target)
    print(f"{time.monotonic() - started:.1f} s", flush=True)
    if kept:
        print(f"  {paths.shown(target)} was not the committed one: what it held is kept in {paths.shown(kept)}")
    return True


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when all was built or all agrees, 1 when not, 2 when it could not start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="notebooks to build, as 06 or 06_call; all when none is given"
    )
    parser.add_argument(
        "--check", action="store_true", help="execute nothing; fail when a notebook differs from its source"
    )
    parser.add_argument("--no-execute", action="store_true", help="build only; outputs of unchanged cells are kept")
    parser.add_argument("--source", type=Path, default=SOURCES, help="folder of NN_name.py")
    parser.add_argument("--out", type=Path, default=NOTEBOOKS, help="folder of NN_name.ipynb")
    parser.add_argument("--cwd", type=Path, default=ROOT, help="folder that the kernels start in")
    parser.add_argument(
        "--logs", type=Path, help="folder for notebooks that failed and for the kernels' stderr (logs/builds)"
    )
    parser.add_argument(
        "--cell-timeout", type=int, default=600, metavar="SECONDS", help="a cell that takes longer fails"
    )
    options = parser.parse_args(arguments)
    try:
        sources = find_notebooks(options.source, options.names, suffix=".py")
        if options.check:
            return 1 if check(sources, options.out, whole_folder=not options.names) else 0
        logs = options.logs or paths.logs() / "builds"
        how = {"logs": logs, "cwd": options.cwd, "run": not options.no_execute, "timeout_s": options.cell_timeout}
        for at, source in enumerate(sources):
            if not build_one(source, options.out, **how):
                for last in filter(is_clean_up, sources[at + 1 :] if how["run"] else []):
                    build_one(last, logs / "clean-up", **how)  # stops the server that the failed one left
                return 1
    except NotebookToolError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
