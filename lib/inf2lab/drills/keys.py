"""The words by which a pattern is found: those that every line has which the pattern matches.

It reads the regular expressions of the drills and of the catalog, no others: no flags, no nested alternatives with an
empty branch. A word counts where it is whole: its neighbours in the pattern are no letters, or one of `\\b`, `\\s`,
`\\W`, `^`, `$`; the ends of an alternative are taken for ends of a word.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PARTS = ("Error", "Exception", "NCC_")  # parts of words that are looked for in any case
_WORD = re.compile(r"[A-Za-z0-9_]+")
_RARE = 4  # letters: a longer word is rare enough
# What healthy logs are full of.
_COMMON = frozenset(Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split())
_ATOM = re.compile(
    r"(?P<whole>\\[bsWAZ]|[\^$])|(?P<vague>\\[dDwSBn]|\[\^?\]?(?:\\.|[^\]\\])*\]|[.+])"
    r"|(?P<optional>[?*]|\{\d*,?\d*\})|(?P<group>\()|\\?(?P<letter>.)"
)


def keys_of(alternative: str) -> list[tuple[str, ...]]:
    """Return the words of an alternative, the rarest first; those of its branches where it has no good one itself."""
    words = _words(alternative)
    opened = _open_group(alternative)
    if (words and _rarity(words[0]) > _RARE) or not opened:
        return [tuple(words) or _part(alternative)]
    found = [key for branch in opened for key in keys_of(branch)]
    return found if all(found) or not words else [tuple(words)]


def split(pattern: str) -> list[str]:
    """Return a pattern's alternatives: what stands between its `|` outside of any group."""
    found, start, depth = [], 0, 0
    for place, letter in _marks(pattern):
        if letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "|" and not depth:
            found.append(pattern[start:place])
            start = place + 1
    return [*found, pattern[start:]]


def _marks(pattern: str, place: int = 0) -> Iterator[tuple[int, str]]:
    """Yield place and letter of what may be a sign of the pattern's own: no escaped letter, and nothing in a class."""
    while place < len(pattern):
        letter = pattern[place]
        if letter == "\\":
            place += 1
        elif letter == "[":
            place = _end_of_class(pattern, place)
        else:
            yield place, letter
        place += 1


def _words(alternative: str) -> list[str]:
    """Return the whole words outside of groups, the rarest first."""
    found = []
    for opens, text, closes in _pieces(alternative):
        for match in _WORD.finditer(text):
            if (opens or match.start() > 0) and (closes or match.end() < len(text)):
                found.append(match[0])
    return sorted(dict.fromkeys(found), key=_rarity, reverse=True)


def _rarity(word: str) -> int:
    if len(word) < _RARE or word.isdigit():
        return 0
    return 1 if word.lower() in _COMMON else len(word)


def _pieces(alternative: str) -> list[tuple[bool, str, bool]]:
    """Return the literal pieces outside of groups, and whether a word may begin or end at their edges."""
    found: list[tuple[bool, str, bool]] = []
    text, opens, place = "", True, 0
    while place < len(alternative):
        atom = _ATOM.match(alternative, place)
        assert atom
        place = atom.end()
        if atom["letter"]:
            text += atom["letter"]
            continue
        if atom["group"]:
            place = _end_of_group(alternative, place - 1)
        if atom["optional"]:
            text = text[:-1]
        closes = bool(atom["whole"]) or (bool(atom["optional"]) and bool(found) and not text and opens)
        found.append((opens, text, closes))
        text, opens = "", closes
    return [*found, (opens, text, True)]


def _open_group(alternative: str) -> list[str]:
    """Return the alternative once for each branch of its first group that must be there; none without such a group."""
    end = 0
    for place, letter in _marks(alternative):
        if letter != "(" or place < end:
            continue
        end = _end_of_group(alternative, place)
        inside = alternative[place + 1 : end - 1]
        if not inside.startswith(("?!", "?=", "?<")) and alternative[end : end + 1] not in ("?", "*"):
            head, tail = alternative[:place], alternative[end:]
            return [head + branch + tail for branch in split(inside.removeprefix("?:"))]
    return []


def _part(alternative: str) -> tuple[str, ...]:
    text = " ".join(text for _, text, _ in _pieces(alternative))
    return tuple(part for part in PARTS if part in text)[:1]


def _end_of_class(pattern: str, place: int) -> int:
    place += 2 if pattern[place + 1] == "^" else 1
    place += pattern[place] == "]"
    while pattern[place] != "]":
        place += 2 if pattern[place] == "\\" else 1
    return place


def _end_of_group(pattern: str, place: int) -> int:
    depth = 0
    for at, letter in _marks(pattern, place):
        if letter in "()":
            depth += 1 if letter == "(" else -1
            if not depth:
                return at + 1
    raise ValueError(f"{pattern!r}: a group that does not end")
