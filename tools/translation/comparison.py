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
_COUNTED = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_MORE = {"once": 1, "first": 1, "twice": 2, "second": 2, "both": 2, "third": 3, "half": 2, "thirty": 30, "forty": 40}
_MORE |= {"hundred": 100, "thousand": 1000, "fifth": 5, "single": 1, "a": 1, "an": 1, "each": 1, "pair": 2, "other": 1}
_WORDS = {word: number for number, word in enumerate(_COUNTED)} | _MORE
_LARGE = {"thousand": (3, "千"), "million": (6, "万"), "billion": (9, "億"), "hundred": (2, "百")}

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
    wanted, there = Counter(_NUMBER.findall(english)), Counter(_NUMBER.findall(translation))
    for number in (wanted - there).elements():
        if not _large(number, english, translation):
            yield f"number lost: {number}"
    words = set(re.findall(r"[a-z]+", english.casefold()))
    for number in there - wanted:
        if not any(str(_WORDS.get(word)) == number for word in words) and not _scaled(number, english):
            yield f"number added: {number}"


def _large(number: str, english: str, translation: str) -> bool:
    """Whether `13 billion` stands as 130億, `7 million` as 700万."""
    for word, (zeros, _) in _LARGE.items():
        if re.search(rf"(?<![\d.]){re.escape(number)} {word}", english):
            value = round(float(number.replace(",", "")) * 10**zeros)
            return any(_value(m) == value for m in re.finditer(r"([\d.,]+)\s?(兆|億|万|千|百)?", translation))
    return False


def _value(match: re.Match[str]) -> int:
    scale = {"兆": 10**12, "億": 10**8, "万": 10**4, "千": 10**3, "百": 100}.get(match[2] or "", 1)
    try:
        return round(float(match[1].replace(",", "").rstrip(".")) * scale)
    except ValueError:
        return -1


def _scaled(number: str, english: str) -> bool:
    return (
        bool(re.search(rf"\b(?:{'|'.join(_LARGE)})\b", english)) and number.replace(",", "").replace(".", "").isdigit()
    )


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
    ("half-width punctuation behind Japanese", re.compile(rf"{_JAPANESE}[,.!?;](?!\w)")),
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
