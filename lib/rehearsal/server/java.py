"""The few habits of Java that show through DJLServing's answers: the order of hash maps, number and URL parsing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from rehearsal.server.errors import ApiError

INT_MAX = 2**31 - 1
DOT = r"[^\n\r\x85\u2028\u2029]"  # what a dot of `java.util.regex` takes
TREE_LIMIT = 0.75  # java.util.HashMap and ConcurrentHashMap grow at this load


def string_hash(text: str) -> int:
    """Java's `String.hashCode()` as an unsigned 32 bit number (UTF-16 code units)."""
    value = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for i in range(0, len(units), 2):
        value = (31 * value + (units[i] << 8 | units[i + 1])) & 0xFFFFFFFF
    return value


def hash_order(keys: Iterable[str]) -> list[str]:
    """The keys in the order in which a `java.util.HashMap` that got them in this order iterates."""
    unique = list(dict.fromkeys(keys))
    size = 16
    while len(unique) > size * TREE_LIMIT:
        size *= 2

    return sorted(
        unique, key=lambda key: _spread(key) & size - 1
    )  # the sort is stable: within a bucket the insertion order stays


def concurrent_order(keys: Iterable[str], *, at_once: bool = False) -> list[str]:
    """The keys in the order in which a `java.util.concurrent.ConcurrentHashMap` that got them in this order iterates.

    It grows at another moment than a `HashMap`, turning over what shares a place; and it makes more room for keys that
    come from another map, `at_once`, than they need.
    """
    unique = list(dict.fromkeys(keys))
    table: list[list[str]] = [[] for _ in range(_room_for(len(unique)) if at_once else 16)]
    for count, key in enumerate(unique, 1):
        table[_spread(key) & len(table) - 1].append(key)
        if count >= len(table) * TREE_LIMIT:
            table = _grown(table)
    return [key for bucket in table for key in bucket]


def _grown(table: list[list[str]]) -> list[list[str]]:
    """A table of twice the size."""
    size, low, high = len(table), [], []
    for bucket in table:
        if len(bucket) > 1:
            low.append(_moved(bucket, size, 0))
            high.append(_moved(bucket, size, size))
        else:  # nearly all of them
            is_high = bucket and _spread(bucket[0]) & size
            low.append([] if is_high else bucket)
            high.append(bucket if is_high else [])
    return low + high


def _room_for(count: int) -> int:
    """The size of the table that `putAll` makes."""
    wanted = 1 << (count + count // 2).bit_length()
    return wanted if wanted < 4 else 2 * wanted  # four places are taken for full before the first comes


def _moved(bucket: list[str], size: int, bit: int) -> list[str]:
    """What of a bucket goes to one of its two places: the run at its end as it stands, the rest turned over."""
    places = [_spread(key) & size for key in bucket]
    run = len(bucket)
    while run and places[run - 1] == places[-1]:
        run -= 1
    before = [key for key, place in zip(bucket[:run], places[:run], strict=True) if place == bit]
    return before[::-1] + [key for key, place in zip(bucket[run:], places[run:], strict=True) if place == bit]


@lru_cache(2**16)  # a table that grows asks for each key again, and five tables are filled with one folder's
def _spread(key: str) -> int:
    hashed = string_hash(key)
    return hashed ^ hashed >> 16


def split(text: str, pattern: str) -> list[str]:
    """`String.split`: without the empty parts at the end, but never without any part for a text without a separator."""
    parts = re.split(pattern, text)
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts if parts[-1] or not re.search(pattern, text) else []


def parse_int(text: str) -> int:
    """`Integer.parseInt`: raises the 500 NumberFormatException that DJLServing answers with."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if digits.isdecimal() and len(digits := digits.lstrip("0") or "0") <= 10:
        number = -int(digits) if text.startswith("-") else int(digits)
        if -(2**31) <= number < 2**31:
            return number
    raise ApiError.number_format(text)


def utf16_size(text: str) -> int:
    """`String.length()`: a character beyond the first 65,536 counts twice."""
    return len(text) + sum(char > "\uffff" for char in text) if not text.isascii() else len(text)


def without_halves(text: str) -> str:
    """A text as Java writes it: two halves are one character, and a half alone becomes a question mark."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return whole.encode("utf-8", "replace").decode()


def as_int(number: int) -> int:
    """A number as it is left in an `int`, which runs over."""
    return (number + 2**31) % 2**32 - 2**31


def parse_boolean(text: str | None) -> bool:
    """`Boolean.parseBoolean`: true only for "true" in any case."""
    return text is not None and text.lower() == "true"
