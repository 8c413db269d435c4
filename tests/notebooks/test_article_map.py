"""The page that walks through the article leads to places that exist, and to each of the article's defects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pages
from notebook_files import NOTEBOOKS, ROOT, read_notebook

PAGE = " ".join((ROOT / "docs" / "article_map.md").read_text(encoding="utf-8").split())
DEFECTS = (ROOT / "docs" / "article_defects.md").read_text(encoding="utf-8")
CELL = r"`nb\d\d-c\d\d`"
PLACE = re.compile(rf"\]\(\.\./notebooks/([\w.]+)\), \*([^*]+)\*, ({CELL}(?:(?:, | and ){CELL})*)")


def places() -> Iterator[tuple[str, str, str]]:
    """Each notebook, heading and cell that the page names together."""
    for notebook, heading, cells in PLACE.findall(PAGE):
        yield from ((notebook, heading, cell) for cell in re.findall(r"nb\d\d-c\d\d", cells))


@cache
def headings_at(notebook: str) -> dict[str, list[str]]:
    """For each cell the headings in it, and the last one before it: what a reader finds it by."""
    found, before = {}, [""]
    for cell in read_notebook(NOTEBOOKS / notebook).cells:
        here = re.findall(r"(?m)^#+ (.+)$", cell.source) if cell.cell_type == "markdown" else []
        found[cell.id] = [before[-1], *here]
        before += here
    return found


def test_each_cell_stands_below_the_heading_that_is_named_with_it() -> None:
    """A reader looks for the heading and finds the cell."""
    named = list(places())
    assert len(named) > 50
    assert [place for place in named if place[1] not in headings_at(place[0]).get(place[2], [])] == []


def test_no_cell_is_named_without_its_notebook_and_heading() -> None:
    assert sorted(cell for _, _, cell in places()) == sorted(re.findall(r"`(nb\d\d-c\d\d)`", PAGE))


def test_every_defect_is_linked_from_the_section_that_has_it() -> None:
    headings = re.findall(r"(?m)^### (\d+\. .+)$", DEFECTS)
    linked = set(re.findall(r"\[no\. (\d+)\]\(article_defects\.md#([\w-]+)\)", PAGE))
    assert len(headings) == 24
    assert linked == {(heading.partition(".")[0], pages.anchor(heading)) for heading in headings}


def test_the_article_and_its_defects_lead_to_the_page() -> None:
    assert "](docs/article_map.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](article_map.md)" in DEFECTS
