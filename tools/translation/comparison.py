"""What a translation must share with its English text, compared mechanically: a sentence for each thing that differs.

Structure (headings, list items, tables, code, links, tags), numbers (numerals.py) and units in any language; what a
language has rules for besides is asked of the module of its name (japanese.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

from markdown_it import MarkdownIt

from japanese import unlike_the_rules
from numerals import differing_numbers
from pages import CODE, FENCED, TAG

_TARGET = re.compile(r"\]\(([^)\s]*(?:\([^)\s]*\))?[^)\s]*)\)")
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_HEADING = re.compile(r"^#{1,6}(?= )", re.M)
_ITEM = re.compile(r"^[ ]*(?:[-*+]|\d+\.)(?= )", re.M)
_ROW = re.compile(r"^\|.*$", re.M)
# A unit stays as it is where it is a symbol, and has a word of the language where it is one.
_SYMBOLS = re.compile(r"(?<=\d)\s?(GiB|MiB|KiB|GB|MB|KB|TB|TFLOPS|ms|Gbps|GB/s|GHz|%)(?![A-Za-z])")


def differences(english: str, translation: str) -> Iterator[str]:
    """Yield what a translation lost, added or broke of its English text's structure, numbers and units."""
    for what, pattern in (("headings", _HEADING), ("list items", _ITEM), ("links' targets", _TARGET), ("tags", TAG)):
        yield from _unequal(what, _found(pattern, english), _found(pattern, translation))
    yield from _unequal("code", Counter(_code(english)), Counter(_code(translation)))
    yield from _unequal("tables' columns", Counter(_columns(english)), Counter(_columns(translation)))
    plain, translated = _prose(english), _prose(translation)
    yield from _unequal("units", _found(_SYMBOLS, plain), _found(_SYMBOLS, translated))
    yield from differing_numbers(plain, translated)
    if stars := _stars(translation):
        yield f"emphasis that Markdown does not see: {stars}"


def _found(pattern: re.Pattern[str], text: str) -> Counter[str]:
    if pattern in (_HEADING, _ITEM, TAG):
        text = CODE.sub("", FENCED.sub("", text))
    return Counter(_kind(item if isinstance(item, str) else item[0], pattern) for item in pattern.findall(text))


def _kind(item: str, pattern: re.Pattern[str]) -> str:
    return re.sub(r"\d+", "1", item.strip()) if pattern is _ITEM else item


def _code(text: str) -> list[str]:
    return FENCED.findall(text) + [" ".join(match[2].split()) for match in CODE.finditer(FENCED.sub("", text))]


def _columns(text: str) -> list[int]:
    return [re.sub(r"`[^`]*`|\\\|", "", row).count("|") for row in _ROW.findall(FENCED.sub("", text))]


def _unequal(what: str, english: Counter, translation: Counter) -> Iterator[str]:
    if lost := english - translation:
        yield f"{what} lost: {', '.join(map(str, lost.elements()))}"
    if added := translation - english:
        yield f"{what} added: {', '.join(map(str, added.elements()))}"


def _prose(text: str) -> str:
    text = CODE.sub(" ", FENCED.sub(" ", text))
    return TAG.sub(" ", _TARGET.sub("] ", re.sub(r"^[ ]*\d+\.(?= )", "", text, flags=re.M)))


def _stars(text: str) -> str:
    """The first words after stars that are shown as stars."""
    if "*" not in text:
        return ""
    tokens = _MARKDOWN.parse(text)
    shown = (child.content for token in tokens for child in token.children or () if child.type == "text")
    return next((part[:40] for part in shown if "**" in part), "")


@cache
def problems(english: str, translation: str, language: str) -> tuple[str, ...]:
    """Return everything that is wrong with a translation."""
    also: Iterable[str] = unlike_the_rules(english, translation) if language == "ja" else ()
    return (*differences(english, translation), *also)
