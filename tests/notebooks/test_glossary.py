"""The glossary: its page is that of its terms, and a notebook links each term where it uses it first."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat
import pytest

import link_terms
import write_glossary
from notebook_files import NOTEBOOKS, read_notebook

BUILT = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def linked(text: str, number: str = "02") -> str:
    cell = nbformat.v4.new_markdown_cell(text)
    link_terms.link_terms([cell], number)
    return cell.source


def test_the_page_is_that_of_its_terms() -> None:
    assert write_glossary.PAGE.read_text(encoding="utf-8") == write_glossary.page(), "run write_glossary.py"


def test_each_term_has_an_anchor_of_its_own_and_is_said_in_one_plain_line() -> None:
    text = write_glossary.page()
    headings = re.findall(r"^### (.+)\n\n(.+)$", text, re.MULTILINE)
    assert 25 <= len(headings) <= 40
    assert {link_terms.anchor_of(title) for title, _ in headings} == {term.anchor for term in link_terms.terms("02")}
    assert not [title for title, line in headings if len(line.split()) > 32]


def test_a_word_belongs_to_one_term() -> None:
    forms = [form.casefold() for term in link_terms.terms("02") for form in term.forms]
    assert len(forms) == len(set(forms))


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_every_term_that_a_notebook_uses_is_linked_at_its_first_use(path: Path) -> None:
    """Nobody need know a word before the notebook that uses it: the first use leads to its line in the glossary."""
    cells = read_notebook(path).cells
    again = copy.deepcopy(cells)
    link_terms.link_terms(again, path.stem[:2])
    assert [cell.source for cell in cells] == [cell.source for cell in again]
    assert "glossary.md#" in "".join(cell.source for cell in cells)


def test_only_the_first_use_is_linked() -> None:
    assert linked("A chip. Two chips.") == "A [chip](../docs/glossary.md#chip). Two chips."


def test_the_longest_word_wins_also_over_the_end_of_a_line() -> None:
    assert linked("a tensor\nparallel degree") == (
        "a [tensor\nparallel degree](../docs/glossary.md#tensor-parallel-degree)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "# The chip",
        "| chip | 2 |",
        "`chip`",
        "[the chip](x.md)",
        "```\nchip\n```",
        "a micro-chip",
        "*On a chip*, 2023",
        '<b t="chip">',
    ],
)
def test_headings_tables_code_and_links_are_left_alone(text: str) -> None:
    assert linked(text) == text


def test_a_link_that_an_author_wrote_counts() -> None:
    text = "[it](../docs/glossary.md#chip) is a chip"
    assert linked(text) == text


def test_a_word_that_means_something_else_in_a_notebook_is_not_linked_there() -> None:
    assert "#token" in linked("a token")
    assert linked("Jupyter's token", "01") == "Jupyter's token"
