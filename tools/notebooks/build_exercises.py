#!/usr/bin/env python
"""Builds notebooks/exercises (NN_name.ipynb, quiz.ipynb, solutions.ipynb) from notebooks/source/exercises and the quiz.

In a source, the lines between `# solution: HINT` and `# end of solution` are the solution. In the exercise one line
stands in their place: `# Your turn: HINT`. The rest of the cell must run without them and give a wrong answer, which
the cell tagged `check` at the end finds. A cell with a solution is tagged `answer`, and keeps the digest of what the
reader was given, by which `inf2lab grade` sees whether it was begun. A cell tagged `server` is not graded; one tagged
`reason` stands in solutions.ipynb only. tests/notebooks/test_exercises.py runs both versions.

python tools/notebooks/build_exercises.py            write all of them
python tools/notebooks/build_exercises.py --check    write nothing; exit 1 when one differs from its source
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from build_notebooks import METADATA, build
from inf2lab import paths
from inf2lab.grading import QUIZ, digest, needed, questions
from kept_copies import keep_if_a_readers
from link_terms import link_terms
from notebook_files import (
    NOTEBOOKS,
    SOURCES,
    NotebookToolError,
    find_notebooks,
    read_notebook,
    tags_of,
    title_of,
    write_notebook,
)

SOLUTIONS = SOURCES / "exercises"
EXERCISES = NOTEBOOKS / "exercises"
UP = "../../"  # from an exercise to the repository
_REGION = re.compile(
    r"^(?P<indent>[ ]*)# solution: (?P<hint>.+)\n(?P<lines>(?:.*\n)*?)(?P=indent)# end of solution$", re.MULTILINE
)
_MARK = re.compile(r"^ *# (?:solution\b|end of solution)", re.MULTILINE)


def exercise(source: Path) -> NotebookNode:
    """The notebook of a source with every solution replaced by its hint, and without the reasons.

    Raises NotebookToolError where a mark has no partner, or where there is no solution to take out.
    """
    notebook, taken = build(source, up=UP), 0
    notebook.cells = [cell for cell in notebook.cells if "reason" not in tags_of(cell)]
    link_terms(notebook.cells, source.stem[:2], up=UP)  # again: the first use may have stood in a reason
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.source, count = _REGION.subn(r"\g<indent># Your turn: \g<hint>", cell.source)
        taken += count
        if count:
            _to_be_answered(cell)
        if _MARK.search(cell.source):
            raise NotebookToolError(
                f"{paths.shown(source)}, cell {cell.id}: a solution begins with `# solution: HINT` and ends with "
                "`# end of solution` at the same indentation"
            )
    if not taken:
        raise NotebookToolError(f"{paths.shown(source)}: no `# solution: HINT` in it, so there is nothing to solve")
    return notebook


def quiz() -> NotebookNode:
    """The notebook of the quiz."""
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    notebook.cells.append(_words(_quiz_opening(), "quiz-c01"))
    for number, question in enumerate(questions(), 1):
        choices = "\n".join(f"- **{letter}** {text}" for letter, text in question.choices.items())
        text = f"## {number}\n\n{question.ask}" + (f"\n\n{choices}" if choices else "")
        notebook.cells.append(_words(text, f"quiz-q{number:02}"))
        code = nbformat.v4.new_code_cell(f"q{number} = ...  # {question.form}", id=f"quiz-a{number:02}")
        notebook.cells.append(_to_be_answered(code))
    notebook.cells.append(
        _words("## Check yourself\n\nThe reasons appear below each answer that you gave.", "quiz-c02")
    )
    code = "from inf2lab.grading import check_quiz\n\ncheck_quiz(globals())"
    notebook.cells.append(nbformat.v4.new_code_cell(code, id="quiz-c03", metadata={"tags": ["check"]}))
    return notebook


def _quiz_opening() -> str:
    return (
        "# Twelve questions\n\n"
        "After [99 Clean up](../99_clean_up.ipynb). Twenty minutes; nothing is started.\n\n"
        f"Replace each `...` by your answer, without looking it up. "
        f"You pass with {needed()} right answers of {len(questions())}. "
        "The last cell says which are right, and why. All answers with their reasons stand in "
        "[solutions](solutions.ipynb) too."
    )


def solutions(sources: list[Path]) -> NotebookNode:
    """One notebook with all solutions and reasons, the quiz's too; it runs, and starts no server."""
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    opening = "# Solutions, with reasons\n\nRun it from top to bottom, and every check says PASS. No server is started."
    cells = [_words(opening, "solutions-c01")]
    for source in sources:
        cells += _solved(source)
    notebook.cells = [*cells, *_quiz_solved()]
    return notebook


def _solved(source: Path) -> Iterator[NotebookNode]:
    """The cells of one exercise that are run when it is graded, solved, its reasons, and its check."""
    built = build(source, up=UP)
    title, name = title_of(built), f"{source.stem}.ipynb"
    yield _words(f"## [{title}]({name})", f"solutions-{source.stem[:2]}")
    for cell in built.cells:
        tags = tags_of(cell)
        if "server" in tags or (cell.cell_type == "markdown" and "reason" not in tags):
            continue
        if cell.cell_type == "code":
            cell.source = _REGION.sub(_with_lines, cell.source)
        cell.id = f"solutions-{cell.id}"
        cell.metadata = {"tags": [tag for tag in tags if tag == "check"]} if "check" in tags else {}
        yield cell


def _with_lines(found: re.Match[str]) -> str:
    """The hint, and below it the solution's lines."""
    return f"{found['indent']}# {found['hint']}\n{found['lines'].rstrip()}"


def _quiz_solved() -> Iterator[NotebookNode]:
    yield _words(f"## [Twelve questions]({QUIZ}.ipynb)", "solutions-quiz")
    rows = [
        f"{number}. **{question.answer}** {question.why} ([{question.taught[:2]}](../{question.taught}.ipynb))"
        for number, question in enumerate(questions(), 1)
    ]
    yield _words("\n".join(rows), "solutions-quiz-c01")


def _words(text: str, cell_id: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(text, id=cell_id)


def _to_be_answered(cell: NotebookNode) -> NotebookNode:
    """The cell, marked as one that a reader fills in, with the digest of what it held."""
    cell.metadata["tags"] = [*tags_of(cell), "answer"]
    cell.metadata["blank"] = digest(cell.source)
    return cell


def made(sources: list[Path]) -> dict[str, NotebookNode]:
    """Every notebook of the folder, by its name."""
    notebooks = {source.stem: exercise(source) for source in sources}
    return notebooks | {QUIZ: quiz(), "solutions": solutions(sources)}


def differences(notebooks: dict[str, NotebookNode], out: Path) -> list[str]:
    """A sentence for each notebook that is not what its source makes, or has no source."""
    problems = []
    for name, notebook in notebooks.items():
        path = out / f"{name}.ipynb"
        if not path.exists():
            problems.append(f"{paths.shown(path)} is missing")
        elif read_notebook(path) != notebook:
            problems.append(f"{paths.shown(path)} is not what its source makes")
    return problems + [
        f"{paths.shown(path)} has no source" for path in sorted(out.glob("*.ipynb")) if path.stem not in notebooks
    ]


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when all was written or agrees, 1 when not, 2 when a source cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--source", type=Path, default=SOLUTIONS, help="folder of NN_name.py")
    parser.add_argument("--out", type=Path, default=EXERCISES, help="folder of NN_name.ipynb")
    options = parser.parse_args(arguments)
    try:
        notebooks = made(find_notebooks(options.source, [], suffix=".py"))
        if options.check:
            problems = differences(notebooks, options.out)
            print(*problems, sep="\n", end="\n" if problems else "")
            if problems:
                print("`make notebooks` writes them anew, and keeps a copy of one that you have filled in")
            return int(bool(problems))
        options.out.mkdir(parents=True, exist_ok=True)
        for name, notebook in notebooks.items():
            target = options.out / f"{name}.ipynb"
            if kept := keep_if_a_readers(target, notebook):
                print(f"{paths.shown(target)} was filled in: your answers are kept in {paths.shown(kept)}")
            write_notebook(notebook, target)
    except NotebookToolError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(notebooks)} notebooks written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
