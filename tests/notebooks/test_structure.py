"""The rules of DESIGN.md for a notebook, over notebooks/source and the built notebooks that readers open.

A rule that looks at text reads the source; one that looks at outputs reads the built notebook. That the two agree is
asked by `build_notebooks.py --check`, which `make test` runs.
"""

from __future__ import annotations

import ast
import re
import socket
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

import build_notebooks
from notebook_files import NOTEBOOKS, ROOT, SOURCES, parameters_of, read_notebook, tags_of

MAIN_PATH = ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "99"]
CHECKED = ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]  # each ends with a self-check
FEW_CELLS = ["00", "99"]  # the way in and the way out may be short
TAGS = {"parameters", "predict", "check", "nbval-ignore-output"}
PLAIN_TAGS = {"details", "summary", "table", "tr", "th", "td", "div", "pre", "code", "strong", "br", "img"}
TABLE_ROWS = ["you will do", "you will be able to", "before you start", "time", "cost"]

SOURCE_FILES = sorted(SOURCES.glob("[0-9][0-9]_*.py"))
BUILT_FILES = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
every_source = pytest.mark.parametrize("path", SOURCE_FILES, ids=lambda path: path.stem)
every_built = pytest.mark.parametrize("path", BUILT_FILES, ids=lambda path: path.stem)


# Every rule asks only; none changes what it was given.
built = cache(build_notebooks.build)
stored = cache(read_notebook)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def asks(cell: NotebookNode) -> bool:
    """Whether a reader types a prediction here; the next cell shows it beside what is true."""
    return "predict" in tags_of(cell)


def output_text(output: NotebookNode) -> str:
    """What a reader sees of one output as text."""
    return output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")


@pytest.mark.parametrize("number", MAIN_PATH)
def test_the_main_path_is_complete(number: str) -> None:
    """Fails until the seven notebooks of the main path are written and built."""
    assert [path for path in SOURCE_FILES if path.stem[:2] == number], f"notebooks/source/{number}_*.py is missing"
    assert [path for path in BUILT_FILES if path.stem[:2] == number], "build it with `make notebooks`"


@every_built
def test_the_way_in_and_the_readme_lead_to_every_notebook(path: Path) -> None:
    assert f"](notebooks/{path.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
    start = next(SOURCES.glob("00_*.py"))
    assert path.stem == start.stem or f"]({path.name})" in start.read_text(encoding="utf-8")


def test_numbers_are_unique() -> None:
    numbers = [path.stem[:2] for path in SOURCE_FILES]
    assert len(numbers) == len(set(numbers))


@every_source
def test_cell_ids_are_unique_and_ascend(path: Path) -> None:
    ids = [cell.id for cell in built(path).cells]
    assert ids == sorted(set(ids))
    assert all(cell_id.startswith(f"nb{path.stem[:2]}-c") for cell_id in ids)


@every_source
def test_it_opens_with_what_a_reader_wants_to_know_first(path: Path) -> None:
    first = built(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    rows = [line.casefold() for line in first.source.splitlines() if line.startswith("|")]
    missing = [words for words in TABLE_ROWS if not any(words in row.split("|")[1] for row in rows)]
    assert not missing, f"rows of the opening table that are missing: {missing}"


@every_source
def test_the_first_code_cell_holds_the_parameters(path: Path) -> None:
    notebook = built(path)
    assert [i for i, cell in enumerate(code_cells(notebook)) if "parameters" in tags_of(cell)] == [0]
    assert parameters_of(notebook)  # raises on anything but annotated scalars


@every_source
def test_code_comes_in_small_pieces(path: Path) -> None:
    cells = code_cells(built(path))
    lines = [len(cell.source.splitlines()) for cell in cells]
    assert (5 if path.stem[:2] in FEW_CELLS else 12) <= len([cell for cell in cells if not asks(cell)]) <= 25
    assert median(lines) <= 8
    assert max(lines) <= 25


@every_source
def test_a_sentence_stands_before_every_code_cell(path: Path) -> None:
    cells = built(path).cells
    together = [b.id for a, b in pairwise(cells) if a.cell_type == b.cell_type == "code" and not asks(a)]
    assert not together, f"code directly after code: {together}"


@every_source
def test_a_prediction_is_one_line_to_fill_in_and_the_next_cell_reveals(path: Path) -> None:
    """Else the committed output spoils it, or another cell fails on the answer that a reader typed."""
    cells = built(path).cells
    for before, cell, after in zip(cells, cells[1:], cells[2:], strict=False):
        if asks(cell):
            assert before.cell_type == "markdown", f"{cell.id}: no question before it"
            assert "**Predict" in before.source, f"{cell.id}: the question begins with **Predict**"
            assert re.fullmatch(r"answer = [^#\n]*\.\.\.[^#\n]*  # .+", cell.source), f"{cell.id}: {cell.source!r}"
            assert reveals(after), f"{after.id}: does not end in reveal(answer, ...)"
    elsewhere = [cell.id for a, cell in pairwise(cells) if cell.cell_type == "code" and not asks(cell) and not asks(a)]
    named = {cell.id for cell in cells if cell.id in elsewhere and "answer" in names(cell)}
    assert not (named and any(map(asks, cells))), f"`answer` is the reader's; other cells use it: {named}"


def reveals(cell: NotebookNode) -> bool:
    """Whether a cell's last line shows the reader's answer, and no other line looks at it."""
    if cell.cell_type != "code":
        return False
    *_, last = ast.parse(cell.source).body
    shown = ast.unparse(last)
    return shown.startswith("reveal(answer, ") and names(cell).count("answer") == 1


def names(cell: NotebookNode) -> list[str]:
    """The names that a code cell reads or sets; cells with a magic have none."""
    if re.match("%%", cell.source):
        return []
    return [node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)]


@every_source
def test_a_value_that_a_shell_gets_stands_in_quotes(path: Path) -> None:
    """A clone below "My Documents" gave curl half the path of the request."""
    given = [line for cell in code_cells(built(path)) for line in cell.source.splitlines()[:1] if "%%bash" in line]
    assert [line for line in given if re.search(r"{", re.sub(r'"{\w+}"', "", line))] == []


@every_source
def test_no_shell_escape(path: Path) -> None:
    """`!command` passes silently when the command fails, in every runner (`%%bash` does not)."""
    shell = re.compile(r"get_ipython\(\)\.(?:system|getoutput)\(|_magic\('(?:sx|sc|system|!|!!)'")
    transform = TransformerManager().transform_cell
    found = [cell.id for cell in code_cells(built(path)) if shell.search(transform(cell.source))]
    assert not found, f"cells with a shell escape: {found}"


@every_source
def test_only_known_tags(path: Path) -> None:
    """A misspelt tag does nothing; `raises-exception` lets a cell pass that does not raise, and fails in papermill."""
    unknown = {tag for cell in built(path).cells for tag in tags_of(cell)} - TAGS
    assert not unknown


@pytest.mark.parametrize("path", [p for p in BUILT_FILES if p.stem[:2] in CHECKED], ids=lambda path: path.stem)
def test_it_ends_with_a_check_that_passed(path: Path) -> None:
    last = code_cells(stored(path))[-1]
    assert "check" in tags_of(last)
    printed = "".join(output_text(output) for output in last.outputs)
    assert "PASS" in printed
    assert "FAIL" not in printed


@every_built
def test_every_code_cell_was_executed_in_order(path: Path) -> None:
    cells = code_cells(stored(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@every_built
def test_no_output_is_an_error_or_a_warning(path: Path) -> None:
    outputs = [(cell.id, output) for cell in code_cells(stored(path)) for output in cell.outputs]
    assert not [cell_id for cell_id, output in outputs if output.output_type == "error"]
    assert not [cell_id for cell_id, output in outputs if output.get("name") == "stderr"]


@every_built
def test_a_picture_is_shown_and_described(path: Path) -> None:
    for cell in code_cells(stored(path)):
        if cell.source.splitlines()[-1].startswith("pictures."):
            (shown,) = [output.data for output in cell.outputs if "data" in output]
            assert "image/png" in shown, f"cell {cell.id} shows no picture"
            assert shown["text/plain"].startswith("[picture: "), f"cell {cell.id}'s picture has no description"


@every_built
def test_a_page_that_takes_no_styles_still_shows_every_fold_and_table(path: Path) -> None:
    """GitHub drops styles and unknown tags; JupyterLab shows text where HTML is not trusted."""
    for cell in code_cells(stored(path)):
        for data in (output.data for output in cell.outputs if "text/html" in output.get("data", {})):
            assert data["text/plain"].strip(), f"cell {cell.id} has no text form"
            html = re.sub(r"\b(?:style|scope|width|alt|src)=\"[^\"]*\"", "", data["text/html"])
            assert set(re.findall(r"<([^/][^>]*?) *>", html)) <= PLAIN_TAGS, f"cell {cell.id}"
            pictures = re.findall(r"<img[^>]*>", data["text/html"])
            assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures), f"cell {cell.id}"


@every_built
def test_outputs_are_short(path: Path) -> None:
    long = {}
    for cell in code_cells(stored(path)):
        lines = sum(len(output_text(output).splitlines()) for output in cell.outputs)
        if lines > 30:
            long[cell.id] = lines
    assert not long, f"output lines by cell, of 30 allowed: {long}"


@every_built
def test_outputs_tell_nothing_about_the_machine(path: Path) -> None:
    private = [r"/(?:home|Users|root|private|var/folders|mnt)/", r"[A-Za-z]:\\Users", r"/tmp/\w+/"]
    private += [re.escape(str(text)) for text in (ROOT, Path.home()) if len(str(text)) > 1]
    if not (host := socket.gethostname()).isalpha():  # a plain word could be any word
        private.append(rf"\b{re.escape(host)}\b")
    pattern = re.compile("|".join(private))
    for cell in code_cells(stored(path)):
        for output in cell.outputs:
            texts = [output_text(output), *(t for t in output.get("data", {}).values() if isinstance(t, str))]
            found = pattern.search("\n".join(text for text in texts if not text.startswith("iVBOR")))
            assert not found, f"cell {cell.id}: {found[0]!r} in its output"
