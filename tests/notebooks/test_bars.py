"""What the tutorial promises a reader, counted: short cells, predictions, pictures, links, answers, time, plain words.

tools/notebooks/count_notebooks.py prints the counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import count_notebooks
from count_notebooks import FOLDED, IMAGE, LINK, Notebook
from notebook_files import NOTEBOOKS, ROOT

LONGEST_CELL = 120  # words without code between
PREDICTIONS = 3
PICTURES = 20
LINKS = 2
WIDEST_LINE = 100
SHORT_PATH_MINUTES = 120
TIME_IS_OFF_BY = 0.2
WITH_EXERCISES = ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]
PREDICTING = WITH_EXERCISES[1:]
FOOT = ["**What you have now", "**On the chip", "**Try it", "**Exercise", "**Further reading", "Next: ["]
NO_FOOT = {"00": ["**On the chip", "**Try it", "**Exercise"], "99": ["**On the chip", "**Try it", "**Exercise"]}

# One word for one thing, and none that a reader with little English stops at: what is written, and what is meant.
# Code between backquotes keeps its names.
WORDS = {
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bcur(?:e|es|ed|ing)\b": "fix",
    r"\bremed(?:y|ies|ied)\b": "fix",
    r"\brepair(?:s|ed|ing)?\b": "fix",
    r"(?<!text )(?<!token )\bgenerations?\b": "release",
    r"\btorn apart\b": "not neighbours",
    r"\btripped over\b": "ran into",
    r"\bbeats?\b": "is faster than, costs less than",
    r"\bthat is the end of it\b": "(say what happens)",
    r"\bnothing above may stand\b": "do not compare",
    r"\bpredict, then (?:run|move)\b": "**Predict.**, a cell tagged `predict`, reveal()",
    r"\bdearer\b": "costs more",
}

READ = count_notebooks.read_all()


def of_each(numbers: list[str] | None = None) -> pytest.MarkDecorator:
    """A test of every notebook, or of some."""
    chosen = numbers or list(READ)
    return pytest.mark.parametrize("one", [READ[number] for number in chosen], ids=chosen)


@of_each()
def test_no_cell_is_longer_than_a_reader_s_breath(one: Notebook) -> None:
    """Tables and folded answers are not read in one go, and do not count."""
    words = {cell.id: len(count_notebooks.prose(cell.source).split()) for cell in one.texts}
    assert {cell: count for cell, count in words.items() if count > LONGEST_CELL} == {}


@of_each(PREDICTING)
def test_the_reader_predicts_before_it_is_shown(one: Notebook) -> None:
    assert one.predictions >= PREDICTIONS


@of_each()
def test_it_names_where_to_read_on(one: Notebook) -> None:
    assert len(set(one.links)) >= LINKS


@of_each()
def test_every_task_to_try_has_its_answer_folded(one: Notebook) -> None:
    """The answer follows within the cell, or opens the next."""
    for place, cell in enumerate(one.cells):
        if cell.cell_type == "markdown":
            after = one.cells[place + 1].source if place + 1 < len(one.cells) else ""
            asked = [*re.finditer(r"\*\*(?:Try it|Question)", FOLDED.sub("", cell.source))]
            answers = FOLDED.findall(cell.source) or FOLDED.findall(after)
            assert len(answers) >= len(asked), f"{cell.id}: {len(asked)} tasks, {len(answers)} answers"
            assert all("<summary>Answer" in answer for answer in answers), f"{cell.id}: its summary is `Answer`"


@of_each()
def test_no_line_of_an_output_is_broken_within_a_word(one: Notebook) -> None:
    """JupyterLab breaks a longer line wherever it ends; tables and pictures it does not break."""
    long = []
    for cell in one.code:
        for output in cell.outputs:
            if not {"text/html", "image/png"} & set(output.get("data", {})):
                lines = count_notebooks.shown(output).splitlines()
                long += [f"{cell.id}: {line}" for line in lines if len(line) > WIDEST_LINE]
    assert long == []


@of_each()
def test_it_ends_with_what_a_reader_has_now_and_where_to_go(one: Notebook) -> None:
    last = one.cells[-1].source
    assert [row for row in FOOT if row not in last and row not in NO_FOOT.get(one.number, [])] == []


@of_each(WITH_EXERCISES)
def test_it_has_an_exercise_and_leads_to_it(one: Notebook) -> None:
    (link,) = {link["address"] for link in LINK.finditer(one.cells[-1].source) if f"exercises/{one.number}_" in link[0]}
    assert (NOTEBOOKS / link).exists()


def test_ten_exercises_rise_with_the_notebooks() -> None:
    assert {path.stem[:2] for path in (NOTEBOOKS / "exercises").glob("[0-9][0-9]_*.ipynb")} >= set(WITH_EXERCISES)


@of_each()
def test_the_time_it_says_is_what_a_newcomer_takes(one: Notebook) -> None:
    assert one.said_minutes == pytest.approx(one.minutes, rel=TIME_IS_OFF_BY, abs=1)


def test_the_short_path_is_two_hours() -> None:
    path = count_notebooks.short_path(READ)
    assert count_notebooks.minutes(path) <= SHORT_PATH_MINUTES, [f"{one.number}: {one.minutes:.0f}" for one in path]


def test_there_are_enough_pictures() -> None:
    assert sum(one.pictures for one in READ.values()) >= PICTURES


def test_every_picture_in_a_text_is_there_and_says_what_it_shows() -> None:
    for one in READ.values():
        for image in (image for cell in one.texts for image in IMAGE.finditer(cell.source)):
            assert (NOTEBOOKS / image["address"]).resolve().is_file(), f"{one.number}: {image['address']} is missing"
            assert len(image["alt"].split()) >= 8, (
                f"{one.number}: {image['address']} needs words for who does not see it"
            )


def pages() -> list[Path]:
    """What people wrote: notebooks, exercises, README, CONTRIBUTING and the pages that no tool writes."""
    written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tools" / "pages").glob("*.py"))
    docs = [path for path in (ROOT / "docs").glob("*.md") if f'"{path.name}"' not in written]
    sources = sorted((NOTEBOOKS / "source").rglob("*.py"))
    return [*sources, ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are read as text: of a source its comments, which hold the markdown too."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fenced ^= line.lstrip("# ").startswith("```")
        if not fenced and (path.suffix == ".md" or "#" in line):
            text = line if path.suffix == ".md" else line.partition("#")[2]
            yield number, LINK.sub(lambda link: link["text"], re.sub(r"`[^`]*`", "", text))


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_one_word_for_one_thing(path: Path) -> None:
    found = [
        f"{path.name}:{number}: {match[0]!r}: write {better}"
        for number, text in sentences(path)
        for word, better in WORDS.items()
        if (match := re.search(word, text, re.IGNORECASE))
    ]
    assert found == []
