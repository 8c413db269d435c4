"""The rules of the Japanese edition (translations/ja/README.md): widths, spaces, and words that must not stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache

from catalogs import TRANSLATIONS
from pages import CODE, FENCED, TAG

_NUMBERED_LINK = re.compile(r"(?<!!)\[\d\d [^][]*\]")  # a notebook's title begins with its number
_JAPANESE = r"[\u3041-\u30fa\u30fc-\u30ff\u3400-\u9fff\uff66-\uff9f々〆]"
_LETTERS = r"[A-Za-z][A-Za-z0-9]*"
_NUMBER = r"\d+(?:[.,:]\d+)*"
_WIDTHS = (
    ("full-width letters or digits", re.compile(r"[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")),
    ("full-width brackets, colon or blank", re.compile(r"[（）：；［］　]")),
    ("half-width katakana", re.compile(r"[\uff61-\uff9f]")),
    ("half-width punctuation behind Japanese", re.compile(rf"{_JAPANESE}[,.!?;](?![A-Za-z0-9])")),
    ("no blank between Japanese and a Latin word", re.compile(rf"{_JAPANESE}{_LETTERS}|{_LETTERS}{_JAPANESE}")),
    ("no blank between Japanese and code", re.compile(rf"{_JAPANESE}`|`(?={_JAPANESE})(?<=\S`)")),
    (
        "a blank between Japanese and a number",
        re.compile(rf"{_JAPANESE} {_NUMBER}|(?<![\w.,:#=$-]){_NUMBER} {_JAPANESE}"),
    ),
    ("a blank beside Japanese punctuation", re.compile(r" [、。！？」]|[、。「] (?!\|)")),
    ("no blank outside a bracket", re.compile(rf"{_JAPANESE}\(|\){_JAPANESE}")),
    ("a line broken inside a sentence", re.compile(rf"{_JAPANESE}\n{_JAPANESE}|[、]\n")),
)
# Words that are right where the English has this one.
_RIGHT_FOR = {"論文": "paper"}


@cache
def forbidden() -> dict[str, str]:
    """Return each word that must not stand, and what stands for it (translations/ja/terms.json)."""
    file = json.loads((TRANSLATIONS / "ja" / "terms.json").read_text(encoding="utf-8"))
    by_word = {one["ja"]: one["not"] for one in file["terms"]} | file["not"]
    return {bad: good for good, words in by_word.items() for bad in words}


def unlike_the_rules(english: str, japanese: str) -> Iterator[str]:
    """Yield what of a Japanese text does not follow the rules of its widths, spaces and words."""
    text = _shown(japanese)
    for what, pattern in _WIDTHS:
        if found := pattern.search(text):
            yield f"{what}: …{text[max(0, found.start() - 8) : found.end() + 8]}…".replace("\n", "⏎")
    for bad, good in forbidden().items():
        if bad in text and _RIGHT_FOR.get(bad, "\0") not in english.casefold():
            yield f"{bad}: the word is {good}"


def _shown(text: str) -> str:
    """The text as a reader sees it, with one sign for each piece of code and each title that begins with a number."""
    text = re.sub(r"\]\([^)]*\)", "]", FENCED.sub("", text))
    text = _NUMBERED_LINK.sub("`x`", TAG.sub("", text).replace("**", ""))
    return CODE.sub("`x`", re.sub(r"!?\[([^][]*)\]", r"\1", text))
