"""What must not be told: account, ids, addresses, names of machines, keys and tokens, in whatever a step printed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

LOOPBACK = frozenset({"127.0.0.1", "0.0.0.0", "169.254.169.254"})  # everybody's: the last is EC2's metadata
# What is replaced, in this order: the longer forms first.
PATTERNS = {
    "key": r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b",
    "token": r"\bhf_[A-Za-z0-9]{20,}\b|\bgh[pousr]_[A-Za-z0-9]{30,}\b|(?i:bearer|token=|token:)\s*[\w.~+/-]{16,}=*",
    "e-mail": r"\b[\w.+-]+@[\w-]+\.[\w.-]*[a-z]{2,}\b",
    "arn": r"\barn:aws[\w-]*:[^\s\"']+",
    "host": r"\bip-\d+-\d+-\d+-\d+(?:\.[\w.-]+)?|\bec2-\d+-\d+-\d+-\d+[\w.-]*",
    "id": r"\b(?:ami|i|vol|sg|eni|subnet|vpc|snap|sir|eipalloc|eipassoc|igw|rtb|lt|r|acl)-[0-9a-f]{8,17}\b",
    "uuid": r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "hardware address": r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b",
    "address": r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)|(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}(?![\w:])",
    "account": r"(?<![\w.])\d{12}(?!\w)",
    "secret": r"(?<![\w:@/])[0-9a-f]{40}(?:[0-9a-f]{8})?(?![\w])",
}
_ALL = re.compile("|".join(f"(?P<p{place}>{pattern})" for place, pattern in enumerate(PATTERNS.values())))
_NAMES = tuple(PATTERNS)


@dataclass(frozen=True)
class Scrubber:
    """Replaces what tells who or where by what it was: "<account>"; `kept` are versions, which look like addresses."""

    words: tuple[str, ...]
    kept: frozenset[str]

    @classmethod
    def of(cls, words: Iterable[str], *, kept: Iterable[str] = ()) -> Scrubber:
        """Return one that also takes out these words, the longest first."""
        return cls(tuple(sorted(filter(None, set(words)), key=len, reverse=True)), frozenset(kept) | LOOPBACK)

    def scrub(self, value: Any) -> Any:
        """Return a value of JSON with every text in it cleaned."""
        if isinstance(value, str):
            return self._clean(value)
        if isinstance(value, dict):
            return {key: self.scrub(item) for key, item in value.items()}
        return [self.scrub(item) for item in value] if isinstance(value, list | tuple) else value

    def _clean(self, text: str) -> str:
        for word in self.words:
            text = text.replace(word, "<removed>")
        return _ALL.sub(lambda match: match[0] if match[0] in self.kept else f"<{_kind(match)}>", text)


def find_identities(value: Any, *, kept: Iterable[str] = ()) -> set[str]:
    """Return the kinds of what a value of JSON still tells in any of its texts."""
    if isinstance(value, dict):
        return {kind for item in value.values() for kind in find_identities(item, kept=kept)}
    if isinstance(value, list | tuple):
        return {kind for item in value for kind in find_identities(item, kept=kept)}
    if not isinstance(value, str):
        return set()  # a number of bytes may have twelve digits
    harmless = LOOPBACK.union(kept)
    return {_kind(match) for match in _ALL.finditer(value) if match[0] not in harmless}


def _kind(match: re.Match[str]) -> str:
    return _NAMES[int((match.lastgroup or "p0")[1:])]
