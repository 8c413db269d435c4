"""tests/support/executed.py: nbval compares a run with the committed notebook, and misses no cell of it."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from notebook_files import write_notebook
from tests.support.executed import differences


def cell(number: int, source: str, *outputs: NotebookNode, tags: tuple[str, ...] = ()) -> NotebookNode:
    metadata = {"tags": list(tags)}
    return new_code_cell(
        source, id=f"nb00-c0{number}", execution_count=number, outputs=list(outputs), metadata=metadata
    )


def printed(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text)


@pytest.fixture
def committed() -> NotebookNode:
    """A notebook with one cell of each kind."""
    return new_notebook(
        cells=[
            new_markdown_cell("# Title", id="nb00-c01"),
            cell(2, "x = 1"),
            cell(3, "print(x)", printed("1 in 2.5 s on 127.0.0.1:8080\n")),
            cell(4, "x", new_output("execute_result", data={"text/plain": "1"}, execution_count=4)),
            cell(5, "random()", printed("0.4\n"), tags=("nbval-ignore-output",)),
            cell(6, "show()", new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure>"})),
        ]
    )


@pytest.fixture
def run(committed: NotebookNode) -> NotebookNode:
    """The same, as a run left it, for a test to change."""
    return copy.deepcopy(committed)


@pytest.fixture
def say(request: pytest.FixtureRequest, tmp_path: Path, committed: NotebookNode):
    """What is said of a run."""
    path = tmp_path / "00_start.ipynb"
    write_notebook(committed, path)
    return lambda run: differences(request.session, path, run)


def test_a_run_as_it_was_differs_in_nothing(say, run: NotebookNode) -> None:
    assert say(run) == []


def test_what_may_change_from_run_to_run_may_change(say, run: NotebookNode) -> None:
    run.cells[2].outputs[0].text = "1 in 13.25 s on 127.0.0.1:40123\n"
    run.cells[3].outputs[0].execution_count = 9
    run.cells[4].outputs = [printed("0.7\n")]
    assert say(run) == []


def test_a_stream_may_come_in_pieces(say, run: NotebookNode) -> None:
    run.cells[2].outputs = [printed("1 in 2.5 s "), printed("on 127.0.0.1:8080\n")]
    assert say(run) == []


def test_each_cell_with_a_changed_output_is_named_with_what_changed(say, run: NotebookNode) -> None:
    run.cells[2].outputs[0].text = "2 in 2.5 s on 127.0.0.1:8080\n"
    run.cells[3].outputs[0].data["text/plain"] = "2"
    first, second = say(run)
    assert first.startswith("nb00-c03: ")
    assert second.startswith("nb00-c04: ")
    assert all("Cell outputs differ" in said for said in (first, second))
    assert "1 in TIME on 127.0.0.1:PORT" in first
    assert "2 in TIME on 127.0.0.1:PORT" in first


@pytest.mark.parametrize(
    ("number", "outputs"),
    [(1, [printed("more\n")]), (2, []), (3, [new_output("display_data", data={"text/html": "1"})]), (5, [])],
)
def test_an_output_more_or_less_or_of_another_kind_differs(
    say, run: NotebookNode, number: int, outputs: list[NotebookNode]
) -> None:
    run.cells[number].outputs = outputs
    (said,) = say(run)
    assert said.startswith(f"{run.cells[number].id}: ")


def test_a_cell_that_raises_differs_even_where_its_output_is_not_compared(say, run: NotebookNode) -> None:
    error = new_output("error", ename="ValueError", evalue="degree is 3", traceback=["ValueError: degree is 3"])
    run.cells[4].outputs = [error]
    (said,) = say(run)
    assert said.startswith("nb00-c05: ")
    assert "Cell execution caused an exception" in said
    assert "ValueError: degree is 3" in said


def test_a_cell_that_was_not_reached_differs_though_it_has_no_output(say, run: NotebookNode) -> None:
    run.cells[1].execution_count = None
    (said,) = say(run)
    assert "the run ended before this cell" in said


def test_a_missing_cell_differs(say, run: NotebookNode) -> None:
    del run.cells[1]
    assert any("nb00-c02" in said and "the run has another cell there" in said for said in say(run))
    del run.cells[1:]
    assert len(say(run)) == 5


def test_a_cell_too_many_differs(say, run: NotebookNode) -> None:
    run.cells.append(nbformat.v4.new_code_cell("y = 2", execution_count=7))
    assert say(run) == ["the run has one more cell: y = 2"]
