"""What a translation must share with its English text, compared mechanically: a sentence for each thing that differs.

Structure (headings, list items, tables, code, links, tags) in any language; numbers and units; and, of Japanese, the
widths and spaces that translations/ja/README.md asks for and the words that translations/ja/terms.json forbids.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

from markdown_it import MarkdownIt

from catalogs import TRANSLATIONS

_FENCED = re.compile(r"^\s*```.*?^\s*```", re.DOTALL | re.M)
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_TARGET = re.compile(r"\]\(([^)\s]*(?:\([^)\s]*\))?[^)\s]*)\)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HEADING = re.compile(r"^#{1,6}(?= )", re.M)
_ITEM = re.compile(r"^[ ]*(?:[-*+]|\d+\.)(?= )", re.M)
_ROW = re.compile(r"^\|.*$", re.M)
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*|(?<=[A-Za-z.,])\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*")
# A unit stays as it is where it is a symbol, and has a word of the language where it is one.
_SYMBOLS = re.compile(r"(?<=\d)\s?(GiB|MiB|KiB|GB|MB|KB|TB|TFLOPS|ms|Gbps|GB/s|GHz|%)(?![A-Za-z])")
_COUNTED = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty"""
_MORE = {"once": 1, "first": 1, "twice": 2, "second": 2, "both": 2, "third": 3, "half": 2, "thirty": 30, "forty": 40}
_MORE |= {"hundred": 100, "thousand": 1000, "fifth": 5, "single": 1, "a": 1, "an": 1, "each": 1, "pair": 2, "other": 1}
_WORDS = {word: number for number, word in enumerate(_COUNTED.split())} | _MORE
_LARGE = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9}
_SCALED = re.compile(rf"(?<![\d.])(\d[\d.,]*) ({'|'.join(_LARGE)})\b")
_IN_JAPANESE = re.compile(r"(\d[\d.,]*)\s?(兆|億|万|千|百)?")
# Words for numbers that are seldom anything else, and how Japanese may write them.
_TO_BE_SEEN = {"three": "三", "four": "四", "five": "五", "six": "六", "seven": "七", "eight": "八", "nine": "九"}
_TO_BE_SEEN |= {"ten": "十", "eleven": "十一", "twelve": "十二", "twenty": "二十", "thirty": "三十", "forty": "四十"}

_JAPANESE = r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f々〆]"
_LETTERS = r"[A-Za-z][A-Za-z0-9]*"


def differences(english: str, translation: str) -> Iterator[str]:
    """Yield what a translation lost, added or broke of its English text's structure, numbers and units."""
    for what, pattern in (("headings", _HEADING), ("list items", _ITEM), ("links' targets", _TARGET), ("tags", _TAG)):
        yield from _unequal(what, _found(pattern, english), _found(pattern, translation))
    yield from _unequal("code", Counter(_code(english)), Counter(_code(translation)))
    yield from _unequal("tables' columns", Counter(_columns(english)), Counter(_columns(translation)))
    plain, translated = _prose(english), _prose(translation)
    yield from _unequal("units", _found(_SYMBOLS, plain), _found(_SYMBOLS, translated))
    yield from _numbers(plain, translated)
    if stars := _stars(translation):
        yield f"emphasis that Markdown does not see: {stars}"


def _found(pattern: re.Pattern[str], text: str) -> Counter[str]:
    if pattern in (_HEADING, _ITEM, _TAG):
        text = _CODE.sub("", _FENCED.sub("", text))
    return Counter(_kind(item if isinstance(item, str) else item[0], pattern) for item in pattern.findall(text))


def _kind(item: str, pattern: re.Pattern[str]) -> str:
    return re.sub(r"\d+", "1", item.strip()) if pattern is _ITEM else item


def _code(text: str) -> list[str]:
    return _FENCED.findall(text) + [match[2] for match in _CODE.finditer(_FENCED.sub("", text))]


def _columns(text: str) -> list[int]:
    return [re.sub(r"`[^`]*`|\\\|", "", row).count("|") for row in _ROW.findall(_FENCED.sub("", text))]


def _unequal(what: str, english: Counter, translation: Counter) -> Iterator[str]:
    if lost := english - translation:
        yield f"{what} lost: {', '.join(map(str, lost.elements()))}"
    if added := translation - english:
        yield f"{what} added: {', '.join(map(str, added.elements()))}"


def _prose(text: str) -> str:
    text = _CODE.sub(" ", _FENCED.sub(" ", text))
    return _TAG.sub(" ", _TARGET.sub("] ", re.sub(r"^[ ]*\d+\.(?= )", "", text, flags=re.M)))


def _numbers(english: str, translation: str) -> Iterator[str]:
    """A number of the text must stand in the translation; one more there must be a number's word in the text."""
    words = set(re.findall(r"\b[a-z]+\b", english.casefold()))
    for match in _SCALED.finditer(english):
        value = round(float(match[1].replace(",", "")) * 10 ** _LARGE[match[2]])
        same = [other[0] for other in _IN_JAPANESE.finditer(translation) if _value(other) == value]
        if not same:
            yield f"number lost: {match[0]}"
        for other in same:
            translation = translation.replace(other, " ")
    wanted, there = Counter(_NUMBER.findall(_SCALED.sub("", english))), Counter(_NUMBER.findall(translation))
    for number in (wanted - there).elements():
        yield f"number lost: {number}"
    for number in there - wanted:
        if not any(str(_WORDS.get(word)) == number for word in words):
            yield f"number added: {number}"
    for word in words & _TO_BE_SEEN.keys():
        if not re.search(rf"(?<!\d){_WORDS[word]}(?!\d)|{_TO_BE_SEEN[word]}|\b{word}\b", translation):
            yield f"number lost: {word}"


def _value(match: re.Match[str]) -> int:
    scale = {"兆": 10**12, "億": 10**8, "万": 10**4, "千": 10**3, "百": 100}.get(match[2] or "", 1)
    return round(float(match[1].replace(",", "").rstrip(".")) * scale)


def _stars(text: str) -> str:
    """The first words after stars that are shown as stars."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    shown = (child.content for token in tokens for child in token.children or () if child.type == "text")
    return next((part[:40] for part in shown if "**" in part), "")


@cache
def _forbidden() -> dict[str, str]:
    """Each word that must not stand, and what stands for it."""
    file = json.loads((TRANSLATIONS / "ja" / "terms.json").read_text(encoding="utf-8"))
    by_word = {one["ja"]: one["not"] for one in file["terms"]} | file["not"]
    return {bad: good for good, words in by_word.items() for bad in words}


_WIDTHS = (
    ("full-width letters or digits", re.compile(r"[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")),
    ("full-width brackets, colon or blank", re.compile(r"[（）：；［］　]")),
    ("half-width katakana", re.compile(r"[\uff61-\uff9f]")),
    ("half-width punctuation behind Japanese", re.compile(rf"{_JAPANESE}[,.!?;](?![A-Za-z0-9])")),
    ("no blank between Japanese and a Latin word", re.compile(rf"{_JAPANESE}{_LETTERS}|{_LETTERS}{_JAPANESE}")),
    ("no blank between Japanese and code", re.compile(rf"{_JAPANESE}`|`(?={_JAPANESE})(?<=\S`)")),
    (
        "a blank between Japanese and a number",
        re.compile(rf"{_JAPANESE} \d+(?:[.,]\d+)*(?![\w.,%/^-]| [A-Za-z])|(?<![\w.,$-])\d+ {_JAPANESE}"),
    ),
    ("a blank beside Japanese punctuation", re.compile(r" [、。！？」]|[、。「] ")),
    ("no blank outside a bracket", re.compile(rf"{_JAPANESE}\(|\){_JAPANESE}")),
    ("a line broken inside a sentence", re.compile(rf"{_JAPANESE}\n{_JAPANESE}|[、]\n")),
)
_TITLE = re.compile(r"「[^」]*」")


def unlike_the_rules(translation: str) -> Iterator[str]:
    """Yield what of a Japanese text does not follow the rules of its widths, spaces and words."""
    text = _FENCED.sub("", translation)
    bare = re.sub(r"\]\([^)]*\)", "]", text)
    bare = _TAG.sub("", bare).replace("**", "")
    bare = re.sub(r"!?\[([^][]*)\]", r"\1", bare)
    coded = _CODE.sub("`x`", bare)
    for what, pattern in _WIDTHS:
        if found := pattern.search(coded):
            yield f"{what}: …{coded[max(0, found.start() - 8) : found.end() + 8]}…".replace("\n", "⏎")
    for bad, good in _forbidden().items():
        if bad in coded:
            yield f"{bad}: the word is {good}"


def problems(english: str, translation: str, language: str) -> list[str]:
    """Return everything that is wrong with a translation."""
    also: Iterable[str] = unlike_the_rules(translation) if language == "ja" else ()
    return [*differences(english, translation), *also]
