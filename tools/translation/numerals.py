"""The numbers of an English text and of its translation: each stands in both, in digits or as a word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_BELOW_20 = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = dict(zip(_TENS_WORDS.split(), range(20, 100, 10), strict=True))
_MONTHS = "january february march april may june july august september october november december"
_OTHERS = "once/1 first/1 a/1 an/1 each/1 single/1 other/1 twice/2 second/2 both/2 pair/2 half/2 square/2 third/3 "
_OTHERS += "quarter/4 hundred/100 hundredth/100 thousand/1000 thousandth/1000 hexadecimal/16 hex/16"
# Words that may stand for a number, whatever they mean.
_WORDS = {word: number for number, word in enumerate(_BELOW_20.split())} | _TENS
_WORDS |= {f"{word}th": number for word, number in _WORDS.items()}
_WORDS |= {"fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12, "twentieth": 20}
_WORDS |= {word: number for number, word in enumerate(_MONTHS.split(), 1)}
_WORDS |= {pair.partition("/")[0]: int(pair.partition("/")[2]) for pair in _OTHERS.split()}
# Words for numbers that are seldom anything else, and how Japanese may write them.
_TO_BE_SEEN = {"three": "三", "four": "四", "five": "五", "six": "六", "seven": "七", "eight": "八", "nine": "九"}
_TO_BE_SEEN |= {"ten": "十", "eleven": "十一", "twelve": "十二", "twenty": "二十", "thirty": "三十", "forty": "四十"}

_LARGE = {"hundred": 2, "thousand": 3, "million": 6, "M": 6, "billion": 9}
_SCALED = re.compile(rf"(?<![\d.])(\d[\d.,]*|[Aa]|[Oo]ne) ({'|'.join(_LARGE)})\b")
_IN_JAPANESE = re.compile(r"(\d[\d.,]*)\s?(兆|億|万|千|百|M\b)?")
_MYRIADS = {"兆": 10**12, "億": 10**8, "万": 10**4, "千": 10**3, "百": 100, "M": 10**6}
_ISO_DATE = re.compile(r"\b(\d{4})-(\d\d)(?:-(\d\d))?\b")
_FRACTIONS = {"half": ("0.5", "30"), "twentieth": ("0.05",), "tenth": ("0.1",), "quarter": ("0.25", "15")}


def differing_numbers(english: str, translation: str) -> Iterator[str]:
    """Yield each number of the text that the translation lacks, and each that it has without a reason in the text."""
    words = set(re.findall(r"\b[a-z]+\b", english.casefold()))
    translation = _dates_as_in(english, translation)
    for match in _SCALED.finditer(english):
        same = [other[0] for other in _IN_JAPANESE.finditer(translation) if _value(other) == _scaled(match)]
        if not same and "百万" not in translation:
            yield f"number lost: {match[0]}"
        for other in same[:1]:  # a second one may stand for a second one
            translation = translation.replace(other, " ", 1)
    wanted, there = Counter(_NUMBER.findall(_SCALED.sub("", english))), Counter(_NUMBER.findall(translation))
    for number in (wanted - there).elements():
        yield f"number lost: {number}"
    for number in there - wanted:
        if not _in_words(number, words):
            yield f"number added: {number}"
    for word in words & _TO_BE_SEEN.keys():
        if not re.search(rf"(?<!\d){_WORDS[word]}(?!\d)|{_TO_BE_SEEN[word]}|\b{word}\b", translation):
            yield f"number lost: {word}"


def _in_words(number: str, words: set[str]) -> bool:
    """Whether the words hold this number: `twelve`, `ninety-ninth`, `half a second` as 0.5, `half an hour` as 30."""
    if any(number in _FRACTIONS.get(word, ()) for word in words):
        return True
    values = {_WORDS[word] for word in words if word in _WORDS}
    sums = {tens + one for tens in values & set(_TENS.values()) for one in values if one < 10}
    return number.isdigit() and int(number) in values | sums


def _dates_as_in(english: str, translation: str) -> str:
    """The translation with 2025年9月16日 written as 2025-09-16 where the English has that date."""
    for match in _ISO_DATE.finditer(english):
        year, month, day = match[1], int(match[2]), match[3]
        written = rf"{year}年{month}月" + (rf"{int(day)}日" if day else "")
        translation = translation.replace(written, match[0], 1)
    return translation


def _scaled(match: re.Match[str]) -> int:
    digits = match[1].replace(",", "") if match[1][0].isdigit() else "1"
    return round(float(digits) * 10 ** _LARGE[match[2]])


def _value(match: re.Match[str]) -> int:
    return round(float(match[1].replace(",", "").rstrip(".")) * _MYRIADS.get(match[2] or "", 1))
