"""What a seat has passed, and a class: one result for each exercise and the quiz. Nothing of a reader's is changed."""

import importlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inf2lab.errors import LabError, SettingsError
from inf2lab.grading.cells import Cell, NotANotebook, read_cells, to_run
from inf2lab.grading.exercises import EXERCISES
from inf2lab.grading.judges import fleet, split
from inf2lab.grading.points import Judge, judged
from inf2lab.grading.quiz import QUIZ, judge, needed
from inf2lab.grading.sandbox import Outcome, Task, run_all

PASSED, NOT_PASSED, NOT_BEGUN = "passed", "not passed", "not begun"
JUDGES: dict[str, Judge] = {**EXERCISES, QUIZ: judge}
# Of a seat's folder, where its exercises may lie: the deepest first, because notebooks have the names of exercises.
PLACES = ("notebooks/**/exercises", "exercises", ".")  # an edition in another language has its own
SECONDS, MOST_SECONDS = 20.0, 86_400  # that one exercise may take


class NothingToGrade(LabError):
    """A path with no exercise of this tutorial in it."""


@dataclass(frozen=True)
class Graded:
    """One exercise of one seat: how many of its claims hold, and the hint of the first that does not."""

    exercise: str
    state: str
    right: int = 0
    of: int = 0
    hint: str = ""


@dataclass(frozen=True)
class Seat:
    """One reader's results, in the order of the exercises."""

    name: str
    results: tuple[Graded, ...]

    @property
    def passed(self) -> int:
        """How many are passed."""
        return sum(result.state == PASSED for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"passed": self.passed}


@dataclass(frozen=True)
class _Copy:
    """A reader's copy of an exercise: its cells, or why it has none."""

    cells: list[Cell]
    fault: str = ""

    @property
    def begun(self) -> bool:
        """Whether an answer is not as it was given."""
        return any(cell.begun for cell in self.cells)


@dataclass
class _Work:
    """A seat to be graded: the copies that it has, by their exercise."""

    name: str
    copies: dict[str, _Copy]
    wanted: tuple[str, ...] = tuple(JUDGES)
    results: dict[str, Graded] = field(default_factory=dict)


def grade(path: Path, *, seconds: float = SECONDS, at_once: int = 0) -> list[Seat]:
    """Return the results of a notebook, of a reader's folder, or of each folder of a class.

    Each exercise runs in a process of its own, `at_once` at a time (as many as there are cores), for `seconds` at most.
    Raises NothingToGrade, and SettingsError for seconds that are no time.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise SettingsError("seconds", seconds, f"must be above 0, and at most {MOST_SECONDS}")
    works = _found(path)
    tasks: list[Task] = []
    owners: list[tuple[_Work, str]] = []
    for work in works:
        for name in work.wanted:
            if (task := _task(work, name)) is not None:
                tasks.append(task)
                owners.append((work, name))
    if len(tasks) > len(JUDGES):
        _load_once()
    for number, outcome in run_all(tasks, seconds=seconds, at_once=at_once or os.cpu_count() or 1):
        work, name = owners[number]
        work.results[name] = _result(name, outcome)
    return [Seat(work.name, tuple(work.results[name] for name in work.wanted)) for work in works]


def _load_once() -> None:
    """Import and compute here what each child of a class would do again."""
    for room in ("measure", "serving"):
        with suppress(ImportError):  # an exercise that needs an extra will say so
            importlib.import_module(f"inf2lab.{room}")
    split.truth()
    for size in fleet.SIZES:
        fleet.truth(size)


def _found(path: Path) -> list[_Work]:
    """Return the seats of a path."""
    if path.is_file():
        name = _exercise_of(path)
        if name is None:
            raise NothingToGrade(f"{path}: its name is no exercise's; they are called {', '.join(JUDGES)}")
        return [_Work(path.name, {name: _read(path)}, (name,))]
    if not path.is_dir():
        raise NothingToGrade(
            f"{path}: there is nothing; name a notebook, a reader's folder, or a folder of such folders"
        )
    if own := _copies(path):
        return [_Work(path.resolve().name, own)]
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    works = [_Work(folder.name, _copies(folder)) for folder in folders]
    if not any(work.copies for work in works):
        raise NothingToGrade(f"{path}: no exercise lies here or in a folder below; they are called {', '.join(JUDGES)}")
    return works


def _copies(folder: Path) -> dict[str, _Copy]:
    """Return the exercises of a seat; of several copies of one the begun one, or else the one saved last.

    Copies are `02_plan-Copy1.ipynb`, and the same exercise in another language's edition.
    """
    if closed := _closed(folder):
        return dict.fromkeys(JUDGES, _Copy([], f"the folder {closed} cannot be read: let who grades read and enter it"))
    for place in PLACES:
        paths = sorted(folder.glob(f"{place}/*.ipynb"), key=lambda path: path.lstat().st_mtime)
        named = [(name, _read(path)) for path in paths if (name := _exercise_of(path)) is not None]
        if named:
            return dict(sorted(named, key=lambda one: one[1].begun))  # the last one of a name stays
    return {}


def _closed(folder: Path) -> str:
    """Return the folder of a seat's exercises that may not be read or entered: glob says nothing of it."""
    for place in (folder, *folder.glob("notebooks/**"), *folder.glob("exercises/")):
        below = place.relative_to(folder)
        if not os.access(place, os.R_OK | os.X_OK) and not any(part.startswith(".") for part in below.parts):
            return Path(folder.name, below).as_posix()
    return ""


def _read(path: Path) -> _Copy:
    try:
        return _Copy(read_cells(path))
    except NotANotebook as error:
        return _Copy([], str(error))


def _exercise_of(path: Path) -> str | None:
    fitting = [name for name in JUDGES if path.suffix == ".ipynb" and path.stem.startswith(name)]
    return fitting[0] if fitting else None


def _task(work: _Work, name: str) -> Task | None:
    """Return what is to be run for an exercise; None where the result is known without."""
    copy = work.copies.get(name, _Copy([]))
    if not copy.begun:
        work.results[name] = Graded(name, NOT_PASSED if copy.fault else NOT_BEGUN, hint=copy.fault)
        return None
    return Task(to_run(copy.cells), lambda names: [asdict(result) for result in judged(JUDGES[name], names)])


def _result(name: str, outcome: Outcome) -> Graded:
    """Return the result of a judge's claims; of a quiz not all need hold."""
    claims: Sequence[dict[str, Any]] = outcome.value if isinstance(outcome.value, list) else ()
    if outcome.fault or not claims:
        return Graded(name, NOT_PASSED, hint=outcome.fault or "its process answered nothing")
    missed = [claim for claim in claims if not claim["holds"]]
    right = len(claims) - len(missed)
    passed = right >= (needed() if name == QUIZ else len(claims))
    hint = "" if passed else f"FAIL {missed[0]['claim']}: {missed[0]['hint']}"
    return Graded(name, PASSED if passed else NOT_PASSED, right, len(claims), hint)
