"""One English term, one Japanese word: the lists agree with each other, and the notebooks with the lists."""

from __future__ import annotations

import json
import re

import catalogs
from link_terms import TERMS, anchor_of

FILE = json.loads((catalogs.TRANSLATIONS / "ja" / "terms.json").read_text(encoding="utf-8"))
GROUPS = json.loads(TERMS.read_text(encoding="utf-8"))["groups"]
GLOSSARY = {one["term"]: one["ja"] for group in GROUPS.values() for one in group}
LINK = re.compile(r"\[([^][]+)\]\([^)]*glossary\.md#([\w-]+)\)")


def test_each_term_has_one_word_and_no_word_is_forbidden_that_stands_for_another() -> None:
    glossary = {term.casefold(): word for term, word in GLOSSARY.items()}
    terms = {one["term"].casefold(): one["ja"] for one in FILE["terms"]}
    assert len(terms) == len(FILE["terms"])
    assert not glossary.keys() & terms.keys(), "a term of the glossary stands in the glossary alone"
    assert FILE["not"].keys() <= set(glossary.values())
    stand = {**glossary, **terms}.values()
    forbidden = {bad for one in FILE["terms"] for bad in one["not"]} | {
        bad for bads in FILE["not"].values() for bad in bads
    }
    assert not [(bad, word) for bad in forbidden for word in stand if bad in word]


def test_a_link_to_the_glossary_has_the_glossary_s_word() -> None:
    words = {anchor_of(term): [word, *FILE["forms"].get(word, ())] for term, word in GLOSSARY.items()}
    found = []
    for source in catalogs.sources():
        for message, entry in catalogs.read_catalog(catalogs.catalog_path(source, "ja")).items():
            for text, anchor in LINK.findall(entry.translation):
                if source.suffix == ".ipynb" and not any(word in text for word in words[anchor]):
                    found.append((source.name, message.context, text, words[anchor][0]))
    assert not found


def test_each_term_has_a_definition_of_its_own() -> None:
    """The line of transformers-neuronx said what compiling is."""
    page = catalogs.catalog_path(catalogs.ROOT / "docs/glossary.md", "ja")
    texts = [entry.translation.partition("— ") for entry in catalogs.read_catalog(page).values()]
    definitions = [text for text, dash, _ in texts if dash]
    assert len(definitions) == len(GLOSSARY)
    assert len(set(definitions)) == len(definitions)
