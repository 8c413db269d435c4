"""nbval on notebooks that have run: its own cells and comparison, and for a kernel what the run left.

So a run serves twice: papermill executes the tutorial as `make run` does, and nbval compares it with what is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

SANITIZE = Path(__file__).resolve().parents[1] / "notebooks" / "sanitize.cfg"


class Ran:
    """What nbval asks a kernel, answered by a notebook that has run: the messages that brought a cell's outputs."""

    def __init__(self, executed: NotebookNode) -> None:
        self.cells = [cell for cell in executed.cells if cell.cell_type == "code"]
        self.messages: Iterator[dict[str, object]] = iter(())

    def is_alive(self) -> bool:
        """Say that it can be asked."""
        return True

    def execute_cell_input(self, source: str, allow_stdin: bool) -> str:
        """Take the run's next cell, which must be the one that nbval means and must have been executed."""
        cell = self.cells.pop(0) if self.cells else None
        if cell is None or cell.source != source:
            raise LookupError(f"the run has another cell there: {cell.source if cell else 'none'}")
        if source.strip() and cell.execution_count is None:
            raise LookupError("the run ended before this cell")
        said = [(output.output_type, output) for output in cell.outputs]
        idle = ("status", {"execution_state": "idle"})
        self.messages = iter([_message(kind, content) for kind, content in (*said, idle)])
        return "asked"

    def await_reply(self, _: str, timeout: float) -> None:
        """Wait for nothing: it has run."""

    def await_idle(self, _: str, timeout: float) -> None:
        """Wait for nothing: it has run."""

    def get_message(self, _: str, timeout: float) -> dict[str, object]:
        """Return the next message of the cell that was asked for."""
        return next(self.messages)

    def stop(self) -> None:
        """Stop nothing."""


def _message(kind: str, content: object) -> dict[str, object]:
    return {"msg_type": kind, "content": content, "parent_header": {"msg_id": "asked"}}


class Compared(IPyNbFile):
    """A committed notebook for nbval, with a finished run in place of a kernel."""

    def get_sanitize_files(self) -> list[Path]:
        """Return what nbval's command line is given too."""
        return [SANITIZE]


def differences(session: pytest.Session, committed: Path, executed: NotebookNode) -> list[str]:
    """What nbval says of each cell whose outputs in a run are not the committed ones."""
    notebook = Compared.from_parent(session, path=committed)
    notebook.kernel = Ran(executed)
    notebook.setup_sanitize_files()
    found = [said for cell in notebook.collect() if (said := _difference(cell))]
    return [*found, *(f"the run has one more cell: {cell.source}" for cell in notebook.kernel.cells)]


def _difference(cell: IPyNbCell) -> str:
    try:
        cell.runtest()
    except Exception:  # whatever nbval raises is its way to say that the cell differs
        return f"{cell.cell.get('id')}: {cell.repr_failure(pytest.ExceptionInfo.from_current())}"
    return ""
