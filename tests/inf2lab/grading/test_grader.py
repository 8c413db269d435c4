"""`inf2lab grade` for a notebook, a reader and a class: a line each, whatever lies there, and nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import build_exercises
from inf2lab.cli import app
from inf2lab.errors import LabError
from inf2lab.grading import EXERCISES, NOT_BEGUN, NOT_PASSED, PASSED, grade
from inf2lab.grading.cells import Cell, read_cells
from tests.support import seats

QUICK = "05_serve"  # an exercise of letters alone
LONG = 300.0


def run(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["grade", *map(str, words)])


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() + str(path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_readers_get_is_not_begun(tmp_path: Path) -> None:
    (seat,) = grade(build_exercises.EXERCISES)
    assert {result.state for result in seat.results} == {NOT_BEGUN}
    assert len(seat.results) == len(EXERCISES) + 1


def test_a_reader_sees_what_is_passed_and_a_hint_for_what_is_not(tmp_path: Path) -> None:
    wrong = seats.changed(seats.solved("08_break_it"), "loads = 3", "loads = 1")
    folder = seats.write(tmp_path / "me", {QUICK: seats.solved(QUICK), "08_break_it": wrong})
    done = run(folder)
    assert done.exit_code == 1
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "passed" in lines[QUICK]
    assert "only a load prints" in lines["08_break_it"]
    assert "not begun" in lines["quiz"]
    assert "passed: 1 of 11" in done.stdout


def test_one_notebook_is_graded_alone_and_exits_with_0(tmp_path: Path) -> None:
    folder = seats.write(tmp_path / "me", {QUICK: seats.solved(QUICK)})
    done = run(folder / f"{QUICK}.ipynb")
    assert done.exit_code == 0
    assert "passed: 1 of 1" in done.stdout


def test_the_exercises_of_a_whole_clone_are_found(tmp_path: Path) -> None:
    seats.write(tmp_path / "clone" / "notebooks" / "exercises", {QUICK: seats.solved(QUICK)})
    (seat,) = grade(tmp_path / "clone")
    assert seat.passed == 1


def test_a_notebook_is_not_taken_for_the_exercise_of_the_same_name_below_it(tmp_path: Path) -> None:
    seats.write(tmp_path / "notebooks", {QUICK: build_exercises.quiz()})
    seats.write(tmp_path / "notebooks" / "exercises", {QUICK: seats.solved(QUICK)})
    (seat,) = grade(tmp_path / "notebooks")
    assert seat.passed == 1


def test_of_several_copies_the_one_saved_last_counts(tmp_path: Path) -> None:
    folder = seats.write(tmp_path / "me", {QUICK: seats.solved(QUICK), f"{QUICK}-Copy1": build_exercises.quiz()})
    os.utime(folder / f"{QUICK}-Copy1.ipynb", (1, 1))
    assert grade(folder)[0].passed == 1


def test_a_copy_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was read to see whether it was begun, and again to be judged."""
    blank = build_exercises.exercise(seats.SOURCES[QUICK])
    folder = seats.write(tmp_path / "me", {QUICK: blank, f"{QUICK}-Copy1": blank})
    read: list[str] = []

    def reader(path: Path) -> list[Cell]:
        read.append(path.stem)
        return read_cells(path)

    monkeypatch.setattr("inf2lab.grading.grader.read_cells", reader)
    assert grade(folder)[0].passed == 0
    assert sorted(read) == [QUICK, f"{QUICK}-Copy1"]


@pytest.mark.parametrize("later", ["exercises", "ja/exercises"])
@pytest.mark.parametrize("begun", ["exercises", "ja/exercises"])
def test_of_two_languages_the_one_that_was_begun_counts(tmp_path: Path, begun: str, later: str) -> None:
    notebooks = tmp_path / "clone" / "notebooks"
    for at, folder in enumerate(("exercises", "ja/exercises")):
        given = (
            seats.solved(QUICK)
            if folder == begun
            else build_exercises.exercise(build_exercises.SOLUTIONS / f"{QUICK}.py")
        )
        seats.write(notebooks / folder, {QUICK: given})
        os.utime(notebooks / folder / f"{QUICK}.ipynb", (9, 9) if folder == later else (at, at))
    (seat,) = grade(tmp_path / "clone")
    assert seat.passed == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}', "\x00" * 9])
def test_a_file_that_is_no_notebook_is_a_line_and_not_an_end(tmp_path: Path, text: str) -> None:
    folder = seats.write(tmp_path / "me", {QUICK: seats.solved(QUICK)})
    (folder / "02_plan.ipynb").write_text(text)
    states = {result.exercise: result for result in grade(folder)[0].results}
    assert states[QUICK].state == PASSED
    assert states["02_plan"].state == NOT_PASSED
    assert "save it again" in states["02_plan"].hint


def test_a_link_to_nothing_is_a_line_and_a_copy_beside_it_counts(tmp_path: Path) -> None:
    """One of a seat ended the grading of a whole class."""
    folder = seats.write(tmp_path / "me", {QUICK: seats.solved(QUICK)})
    (folder / f"{QUICK}-Copy1.ipynb").symlink_to(tmp_path / "nowhere")
    (folder / "08_break_it.ipynb").symlink_to(tmp_path / "nowhere")
    results = {result.exercise: result for result in grade(folder)[0].results}
    assert results[QUICK].state == PASSED
    assert (results["08_break_it"].state, results["quiz"].state) == (NOT_PASSED, NOT_BEGUN)
    assert results["08_break_it"].hint == (
        "08_break_it.ipynb cannot be read (No such file or directory): let who grades read it"
    )


@pytest.mark.parametrize("mode", [0o700, 0o744, 0o711])
@pytest.mark.parametrize(
    ("lies", "closed"),
    [
        (".", "."),
        ("exercises", "."),
        ("exercises", "exercises"),
        ("notebooks/exercises", "notebooks"),
        ("notebooks/exercises", "notebooks/exercises"),
        ("notebooks/ja/exercises", "notebooks/ja"),
    ],
)
def test_a_seat_that_cannot_be_read_is_not_one_that_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, lies: str, closed: str
) -> None:
    seats.write(tmp_path / "open", {QUICK: seats.solved(QUICK)})
    (tmp_path / "open" / "notebooks" / ".ipynb_checkpoints").mkdir(0o700, parents=True)
    seats.write(tmp_path / "shut" / lies, {QUICK: seats.solved(QUICK)})
    (tmp_path / "shut" / closed).chmod(mode)
    tmp_path.chmod(0o755)
    # As somebody else sees it: who tests may be root, or own it.
    monkeypatch.setattr("inf2lab.grading.grader.os.access", lambda path, asked: path.stat().st_mode & asked == asked)
    given, refused = grade(tmp_path)
    assert (given.name, given.passed) == ("open", 1)
    assert {result.state for result in refused.results} == {NOT_PASSED}
    said = f"the folder {Path('shut', closed)} cannot be read: let who grades read and enter it"
    assert refused.results[0].hint == said


def test_a_cell_that_raises_is_said_with_its_error(tmp_path: Path) -> None:
    wrong = seats.changed(seats.solved(QUICK), "print(cause)", "print(undefined)")
    (seat,) = grade(seats.write(tmp_path / "me", {QUICK: wrong}))
    (result,) = [one for one in seat.results if one.exercise == QUICK]
    assert (result.state, "NameError: name 'undefined'" in result.hint) == (NOT_PASSED, True)


@pytest.mark.parametrize("name", ["missing", "empty", "other.ipynb"])
def test_where_nothing_is_to_be_graded_that_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.ipynb").write_text("{}")
    with pytest.raises(LabError, match=r"01_instance|name a notebook"):
        grade(tmp_path / name)
    assert run(tmp_path / name).exit_code == 2


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty seats: some right, some wrong, some not begun, one whose cell crashes, and one without notebooks."""
    folder = tmp_path_factory.mktemp("room")
    right, blank = seats.solved(QUICK), build_exercises.exercise(seats.SOURCES[QUICK])
    wrong = seats.changed(seats.solved(QUICK), '1: "d"', '1: "e"')
    crashed = seats.changed(seats.solved(QUICK), "print(cause)", "import os; os._exit(1)")
    for number in range(28):
        seats.write(folder / f"seat-{number:02}", {QUICK: (right, wrong, blank)[number % 3]})
    seats.write(folder / "seat-28", {QUICK: crashed})
    (folder / "seat-29").mkdir()
    return folder


@pytest.mark.thorough
def test_a_class_of_thirty_is_a_table_seat_by_seat_and_no_file_is_changed(room: Path) -> None:
    before = fingerprint(room)
    # In a process of its own: each seat is a fork, which takes as long as its parent is large.
    words = [sys.executable, "-m", "inf2lab.cli", "grade", room, "--seconds", str(LONG)]
    done = subprocess.run(words, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith("seat-")}
    assert len(rows) == 30
    at = list(EXERCISES).index(QUICK)
    signs = [rows[f"seat-{number:02}"][at] for number in range(28)]
    assert signs == ["+x."[number % 3] for number in range(28)]
    assert rows["seat-28"][at] == "x"
    assert rows["seat-29"] == ["."] * 11 + ["0"]
    assert "9 x 05_serve: FAIL cause 1" in done.stdout
    assert fingerprint(room) == before


def test_a_cell_that_never_ends_is_a_line(tmp_path: Path) -> None:
    endless = seats.changed(seats.solved(QUICK), "print(cause)", "while True: cause")
    seats.write(tmp_path / "class" / "one", {QUICK: endless})
    done = run(tmp_path / "class", "--seconds", "0.5")
    assert "did not end within 0.5 seconds" in done.stdout


def test_a_program_gets_the_same_as_json(tmp_path: Path) -> None:
    wrong = seats.changed(seats.solved(QUICK), '1: "d"', '1: "e"')
    seats.write(tmp_path / "class" / "one", {QUICK: seats.solved(QUICK)})
    seats.write(tmp_path / "class" / "two", {QUICK: wrong})
    found = json.loads(run(tmp_path / "class", "--json").stdout)["seats"]
    assert [(seat["name"], seat["passed"]) for seat in found] == [("one", 1), ("two", 0)]
    (result,) = [one for one in found[1]["results"] if one["exercise"] == QUICK]
    assert (result["state"], result["right"], result["of"]) == ("not passed", 4, 5)
