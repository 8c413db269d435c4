"""The editions in other languages: whole, built from what stands there now, and of the same structure."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import nbformat
import pytest

import catalogs
import editions
import pages
import translate

LANGUAGES = catalogs.languages()
SOURCES = catalogs.sources()
NOTEBOOKS = [path for path in SOURCES if path.suffix == ".ipynb"]
PAGES = [path for path in SOURCES if path.suffix == ".md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(path: Path) -> str:
    return str(path.relative_to(catalogs.ROOT))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", [*SOURCES, catalogs.PROGRAM], ids=name)
def test_every_message_has_its_translation(source: Path, language: str) -> None:
    found = list(translate.todo(source, language))
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_edition_is_what_its_sources_give(language: str) -> None:
    assert not [name(path) for path in translate.stale_editions(language)], "run `make translate`"
    assert not translate.leftovers(language), "nothing is translated there any more"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", NOTEBOOKS, ids=name)
def test_both_notebooks_have_the_same_cells(source: Path, language: str) -> None:
    english = nbformat.read(source, as_version=4)
    other = nbformat.read(editions.edition_path(source, language), as_version=4)
    assert english.metadata == other.metadata
    for one, its in zip(english.cells, other.cells, strict=True):
        assert (one.id, one.cell_type, one.metadata) == (its.id, its.cell_type, its.metadata)
        if one.cell_type == "code":
            assert (one.source, one.execution_count) == (its.source, its.execution_count)
            assert [kinds(output) for output in one.outputs] == [kinds(output) for output in its.outputs]


def kinds(output: nbformat.NotebookNode) -> object:
    """An output without the words of its tables."""
    if "data" not in output:
        return output
    return {kind: data for kind, data in output.data.items() if kind != "text/html"}, "text/html" in output.data


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_parts_of_a_page_are_the_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert pages.translated(text, lambda part: part) == text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_links_lead_to_files_and_headings_that_are_there(source: Path, language: str) -> None:
    edition = editions.edition_path(source, language)
    texts = [edition.read_text(encoding="utf-8")]
    if edition.suffix == ".ipynb":
        texts = [cell.source for cell in nbformat.read(edition, as_version=4).cells if cell.cell_type == "markdown"]
    for target in (target for text in texts for target in LINK.findall(text) if ":" not in target):
        file, _, heading = target.partition("#")
        path = (edition.parent / file).resolve() if file else edition
        assert path.exists(), f"{target}: no such file"
        if heading and path.suffix == ".md":
            assert heading in anchors(path), f"{target}: no such heading"


@functools.cache
def anchors(page: Path) -> set[str]:
    """What a link may lead to in a page: its headings, and the lines that are anchors of their own."""
    lines = page.read_text(encoding="utf-8").splitlines()
    own = {match[1] for line in lines if (match := re.fullmatch(r'<a id="(.+)"></a>', line))}
    return own | {pages.anchor(line) for line in lines if line.startswith("#")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_link_stays_in_its_edition(language: str) -> None:
    start = editions.edition_path(catalogs.NOTEBOOKS / "00_start_here.ipynb", language)
    text = start.read_text(encoding="utf-8")
    assert f"](../../docs/{language}/glossary.md)" in text
    assert f"](../../docs/pictures/{language}/layers.svg)" in text
    assert "](10_where_next.ipynb)" in text
    page = editions.edition_path(catalogs.ROOT / "README.md", language).read_text(encoding="utf-8")
    assert f"](notebooks/{language}/exercises)" in page


@pytest.fixture
def third(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new language, `eo`, that has one PO file; what it makes goes nowhere."""
    for module in (catalogs, translate):
        monkeypatch.setattr(module, "TRANSLATIONS", tmp_path)
    source = catalogs.NOTEBOOKS / "99_clean_up.ipynb"
    entries = {message: catalogs.Entry("", stale=False) for message in catalogs.messages(source)}
    entries[next(iter(entries))] = catalogs.Entry("# Purigu", stale=False)
    catalogs.write_catalog(catalogs.catalog_path(source, "eo"), entries, "eo")
    return source


def test_a_language_is_added_by_its_po_files_alone(third: Path) -> None:
    assert catalogs.languages() == ["eo"]
    made = nbformat.reads(editions.edition(third, "eo"), as_version=4)
    english = nbformat.read(third, as_version=4)
    assert made.cells[0].source == "# Purigu"
    assert [cell.source for cell in made.cells if cell.cell_type == "code"] == [
        cell.source for cell in english.cells if cell.cell_type == "code"
    ]
    assert len(list(translate.todo(third, "eo"))) >= len(list(catalogs.messages(third))) - 1
    assert editions.editions_line("eo") == "[English](README.md) · **Esperanto**"
