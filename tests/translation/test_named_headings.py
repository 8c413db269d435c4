"""A page that sends its reader to a heading names it, in each language, as the notebook's edition does."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from catalogs import Message, catalog_path, languages, messages, read_catalog
from notebook_files import NOTEBOOKS, ROOT

PAGES = ("article_map", "workshop")
NAMED = re.compile(r"\]\(\.\./notebooks/([\w/]+\.ipynb)\)[^*]*\*([^*]+)\*")
HEADING = re.compile(r"(?m)^#+ (.+)$")


def translations(source: Path, language: str) -> dict[Message, str]:
    """The messages of a notebook or page that have a translation of their text of today."""
    entries = read_catalog(catalog_path(source, language))
    return {one: entries[one].translation for one in messages(source) if one in entries and not entries[one].stale}


@cache
def headings(notebook: str, language: str) -> dict[str, str]:
    """The headings of a notebook, each with its translation."""
    found: dict[str, str] = {}
    for message, text in translations(NOTEBOOKS / notebook, language).items():
        english, ours = HEADING.findall(message.text), HEADING.findall(text)
        found |= dict(zip(english, ours, strict=True)) if text else {}
    return found


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("page", PAGES)
def test_a_heading_is_named_as_its_notebook_has_it(page: str, language: str) -> None:
    """Else the reader of the edition looks for a heading that is nowhere."""
    unlike = []
    for message, text in translations(ROOT / "docs" / f"{page}.md", language).items():
        for notebook, heading in NAMED.findall(" ".join(message.text.split())):
            there = headings(notebook, language).get(heading)
            unlike += [(notebook, heading, there)] if text and there and there not in text else []
    assert unlike == []


def test_the_pages_name_headings() -> None:
    texts = [" ".join((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").split()) for page in PAGES]
    assert all(len(NAMED.findall(text)) > 10 for text in texts)
