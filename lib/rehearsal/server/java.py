"""The few habits of Java that show through DJLServing's answers: the order of hash maps, number and URL parsing."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.server.errors import ApiError

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

    def bucket(key: str) -> int:
        hashed = string_hash(key)
        return (hashed ^ hashed >> 16) & (size - 1)

    return sorted(unique, key=bucket)  # the sort is stable: within a bucket the insertion order stays


def parse_int(text: str) -> int:
    """`Integer.parseInt`: raises the 500 NumberFormatException that DJLServing answers with."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if digits.isdecimal() and -(2**31) <= int(text) < 2**31:
        return int(text)
    raise ApiError.number_format(text)


def as_int(number: int) -> int:
    """A number as it is left in an `int`, which runs over."""
    return (number + 2**31) % 2**32 - 2**31


def parse_boolean(text: str | None) -> bool:
    """`Boolean.parseBoolean`: true only for "true" in any case."""
    return text is not None and text.lower() == "true"
