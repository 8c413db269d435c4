"""The exercises: what readers get is made from a solution; the solution passes its check, the exercise fails it."""

from __future__ import annotations

import copy
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode

import build_exercises
import build_notebooks
import link_terms
from inf2lab.grading import EXERCISES, QUIZ, digest
from inf2lab.grading.cells import read_cells, to_run
from inf2lab.grading.points import judged
from inf2lab.grading.sandbox import Outcome, Task, run_all
from notebook_files import ROOT, NotebookToolError, read_notebook, tags_of, title_of
from tests.support.clones import make_clone

LESSONS = ROOT / "notebooks" / "source"
SOURCES = sorted(build_exercises.SOLUTIONS.glob("*.py"))
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
# A kernel each, with the servers that it starts: without them `solutions.ipynb` runs all solutions, and a sandbox all
# exercises. One exercise stands for the others where time is short.
in_a_kernel = pytest.mark.parametrize(
    "source",
    [
        pytest.param(source, id=source.stem, marks=() if source.stem.startswith("03") else pytest.mark.thorough)
        for source in SOURCES
    ],
)
exercise = cache(build_exercises.exercise)

SMALL = """\
# %% id="nb02-c01"
degree = 1
# solution: double it
degree = 2
# end of solution
print(degree)

# %% id="nb02-c02"
# %%writefile model.py
# def handle(inputs):
#     rows = []
#     # solution: fill it
#     rows += [1]
#
#     rows += [2]
#     # end of solution
#     return rows
"""


@pytest.fixture
def clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int) -> Path:
    """A clone, a port and logs of its own."""
    folder = make_clone(tmp_path / "clone")
    monkeypatch.setenv("INF2LAB_ROOT", str(folder))
    monkeypatch.setenv("INF2LAB_PORT", str(free_port))
    monkeypatch.setenv("INF2LAB_LOGS", str(folder / "logs"))
    return folder


def run(notebook: NotebookNode, clone: Path) -> NotebookNode:
    """Execute a notebook in place, from a clone's folder."""
    return build_notebooks.execute(notebook, cwd=clone, log=clone.parent / "kernel.log", timeout_s=600)


def check_of(notebook: NotebookNode) -> NotebookNode:
    """Return its last code cell, the check."""
    cell = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert tags_of(cell) == ["check"]
    return cell


def printed(cell: NotebookNode) -> str:
    """Return what a cell printed."""
    return "".join(output.get("text", "") for output in cell.outputs)


@in_a_kernel
def test_the_exercise_fails_its_check_with_a_hint_and_then_its_solution_passes(source: Path, clone: Path) -> None:
    """In one kernel, as a reader does it: the cells as they are given up to the check, then with the answers."""
    notebook, solved = copy.deepcopy(exercise(source)), build_notebooks.build(source)
    given, passed = check_of(notebook), check_of(solved)
    given.metadata.tags.append("raises-exception")  # and goes on
    notebook.cells += solved.cells
    run(notebook, clone)
    assert [output.ename for output in given.outputs if output.output_type == "error"] == ["CheckFailed"]
    assert "FAIL" in printed(given)
    assert "PASS" in printed(passed)
    assert "FAIL" not in printed(passed)


@pytest.fixture(scope="module")
def unsolved() -> dict[str, Outcome]:
    """What the judges say of the exercises as readers get them, of what runs without a server."""
    tasks = [_as_it_is(source.stem) for source in SOURCES]
    return {SOURCES[at].stem: outcome for at, outcome in run_all(tasks, seconds=300.0, at_once=2)}


def _as_it_is(name: str) -> Task:
    def judge(names: dict[str, Any]) -> list[dict[str, Any]]:
        return [asdict(claim) for claim in judged(EXERCISES[name], names)]

    return Task(to_run(read_cells(build_exercises.EXERCISES / f"{name}.ipynb")), judge)


@every_source
def test_an_exercise_runs_as_readers_get_it_and_is_not_passed(unsolved: dict[str, Outcome], source: Path) -> None:
    outcome = unsolved[source.stem]
    assert not outcome.fault
    assert [claim["hint"] for claim in outcome.value if not claim["holds"]]


@pytest.fixture(scope="module")
def made() -> dict[str, NotebookNode]:
    """All that readers get."""
    return build_exercises.made(SOURCES)


@pytest.mark.parametrize("name", [*EXERCISES, QUIZ, "solutions"])
def test_what_readers_get_is_made_from_its_source(made: dict[str, NotebookNode], name: str) -> None:
    only = {name: made[name]}
    found = build_exercises.differences(only, build_exercises.EXERCISES)
    assert [text for text in found if "has no source" not in text] == [], "run tools/notebooks/build_exercises.py"


def test_there_are_ten_exercises_each_named_as_its_notebook_and_known_to_the_grader(
    made: dict[str, NotebookNode],
) -> None:
    assert list(made) == [*EXERCISES, QUIZ, "solutions"]
    names = [source.stem for source in SOURCES]
    assert [name[:2] for name in names] == [f"{number:02}" for number in range(1, 11)]
    assert names == [path.stem for path in sorted(LESSONS.glob("*.py")) if path.stem[:2] not in ("00", "99")]
    assert names == list(EXERCISES)


@every_source
def test_an_exercise_does_not_hold_its_solution_and_says_where_it_is(source: Path) -> None:
    given = read_notebook(build_exercises.EXERCISES / f"{source.stem}.ipynb")
    assert "(solutions.ipynb)" in given.cells[-1].source
    assert all("solution:" not in cell.source and "reason" not in tags_of(cell) for cell in given.cells)
    answers = [cell for cell in given.cells if "answer" in tags_of(cell)]
    assert answers
    assert all(cell.metadata.blank == digest(cell.source) for cell in answers)


@every_source
def test_a_term_is_linked_at_its_first_use_even_where_a_reason_that_was_taken_out_used_it_before(source: Path) -> None:
    given = exercise(source)
    again = copy.deepcopy(given.cells)
    link_terms.link_terms(again, source.stem[:2], up=build_exercises.UP)
    assert [cell.source for cell in given.cells] == [cell.source for cell in again]


@every_source
def test_every_exercise_gives_its_reasons_with_the_solutions(source: Path) -> None:
    solved = build_notebooks.build(source, up=build_exercises.UP)
    reasons = [cell.source for cell in solved.cells if "reason" in tags_of(cell)]
    assert reasons
    whole = [cell.source for cell in read_notebook(build_exercises.EXERCISES / "solutions.ipynb").cells]
    assert all(reason in whole for reason in reasons)


def test_the_solutions_run_from_top_to_bottom_and_start_no_server(clone: Path) -> None:
    notebook = run(build_exercises.solutions(SOURCES), clone)
    texts = [output.get("text", "") for cell in notebook.cells if "check" in tags_of(cell) for output in cell.outputs]
    assert "".join(texts).count("PASS") > 50
    assert not list((clone / "logs").glob("server-*"))


@every_source
def test_a_notebook_calls_its_exercise_by_its_title(source: Path) -> None:
    _, title = title_of(build_notebooks.build(source)).split(": ", 1)
    (lesson,) = LESSONS.glob(f"{source.stem[:2]}_*.py")
    assert f"[{title}](exercises/{source.stem}.ipynb)" in lesson.read_text(encoding="utf-8")


@every_source
def test_an_exercise_and_its_notebook_link_to_each_other(source: Path) -> None:
    (lesson,) = LESSONS.glob(f"{source.stem[:2]}_*.py")
    assert f"(exercises/{source.stem}.ipynb)" in lesson.read_text(encoding="utf-8")
    assert f"(../{lesson.stem}.ipynb)" in source.read_text(encoding="utf-8")


def test_solutions_are_taken_out_and_hints_stay(tmp_path: Path) -> None:
    source = tmp_path / "02_small.py"
    source.write_text(SMALL)
    first, second = build_exercises.exercise(source).cells
    assert first.source == "degree = 1\n# Your turn: double it\nprint(degree)"
    assert second.source == (
        "%%writefile model.py\ndef handle(inputs):\n    rows = []\n    # Your turn: fill it\n    return rows"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# end of solution\nprint", "print", "a solution begins with"),
        ("# solution: double it", "# solution", "a solution begins with"),
    ],
)
def test_a_mark_without_its_partner_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    source = tmp_path / "02_small.py"
    source.write_text(SMALL.replace(old, new))
    with pytest.raises(NotebookToolError, match=said):
        build_exercises.exercise(source)


def test_a_source_without_a_solution_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "02_small.py"
    source.write_text('# %% id="nb02-c01"\nprint(1)\n')
    with pytest.raises(NotebookToolError, match="nothing to solve"):
        build_exercises.exercise(source)


def test_the_command_writes_compares_and_refuses(tmp_path: Path) -> None:
    folder, out = tmp_path / "source", tmp_path / "out"
    folder.mkdir()
    words = ["--source", str(folder), "--out", str(out)]
    assert build_exercises.main(words) == 2
    (folder / "02_small.py").write_text(SMALL)
    assert build_exercises.main([*words, "--check"]) == 1
    assert build_exercises.main(words) == 0
    assert build_exercises.main([*words, "--check"]) == 0
    (folder / "02_small.py").write_text(SMALL.replace("double", "triple"))
    assert build_exercises.main([*words, "--check"]) == 1
