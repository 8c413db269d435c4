"""A reader's notebook: which cells are answers, whether any was begun, and what of it is run to be judged."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab.errors import LabError

ANSWER, SERVED, CHECK = "answer", "server", "check"  # tags: of what a reader fills in, and of what is not run


class NotANotebook(LabError):
    """A file that has the name of a notebook and is none, or cannot be read."""


@dataclass(frozen=True)
class Cell:
    """One code cell: its text, its tags, and the digest of what an answer held before the reader came."""

    text: str
    tags: frozenset[str]
    blank: str

    @property
    def begun(self) -> bool:
        """Whether it is an answer that is not as it was given."""
        return ANSWER in self.tags and digest(self.text) != self.blank


def digest(text: str) -> str:
    """Return a short digest of a cell's text; blanks at the ends do not count."""
    return hashlib.sha256(text.strip().encode()).hexdigest()[:16]


def read_cells(path: Path) -> list[Cell]:
    """Return the code cells of a notebook; raises NotANotebook."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [_cell(cell) for cell in cells if cell["cell_type"] == "code"]
    except OSError as error:
        reason = f"{path.name} cannot be read ({error.strerror}): let who grades read it"
        raise NotANotebook(reason) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotANotebook(f"{path.name} is no notebook ({type(error).__name__}): save it again") from error


def to_run(cells: list[Cell]) -> list[str]:
    """Return the texts of the cells that make the answers: all but those that start servers and those that check."""
    return [cell.text for cell in cells if not cell.tags & {SERVED, CHECK}]


def _cell(cell: Any) -> Cell:
    metadata, source = cell.get("metadata", {}), cell["source"]
    text = source if isinstance(source, str) else "".join(source)
    return Cell(text, frozenset(map(str, metadata.get("tags", []))), str(metadata.get("blank", "")))
