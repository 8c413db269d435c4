"""English texts of the program, and what stands for them in another language.

A message is a text, or a format string that finished texts are compared with, so that what makes a text needs to know
nothing of languages. What stands at `{word}`, or a place whose name begins so, is a message itself, and so is `{text}`,
which may have several parts. `{count}` is a number, `{name}` has no blank; what stands at `{said}`, `{truth}` and
`{source}` may be anything, and at any other place a part of a sentence, without a semicolon or a colon.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter

from inf2lab import paths
from inf2lab.errors import LabError

ENGLISH = "en"
HERE = Path(__file__).parent
_MESSAGES = ("text", "word")
_PLACES = {"count": r"[\d.,]+", "name": r"\S+?"} | dict.fromkeys(("text", "said", "truth", "source"), r".+?")
_CODED, _PART = r"[^`]+?", r"(?:(?!: )[^;\n])+?"


def spoken() -> str:
    """Return the language that INF2LAB_LANGUAGE names, by default English; raises LabError if it is not known."""
    named = paths.language() or ENGLISH
    if named not in languages():
        known = ", ".join(languages())
        raise LabError(f"INF2LAB_LANGUAGE={named}: the program speaks {known}; set one of them, or nothing")
    return named


@cache
def languages() -> tuple[str, ...]:
    """Return every language that the program speaks, English first."""
    return ENGLISH, *sorted(file.stem for file in HERE.glob("*.json"))


@cache
def translations(language: str) -> Mapping[str, str]:
    """Return every message with its translation; English has none, and so has a language that is being added."""
    file = HERE / f"{language}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


@lru_cache(4096)
def translated(text: str, language: str) -> str:
    """Return a finished text in a language: as a whole, or line by line, or part by part; else as it is."""
    if language == ENGLISH:
        return text
    whole = _whole(text, language)
    if whole is not None:
        return whole
    for mark in ("\n", "; "):
        parts = text.split(mark)
        if len(parts) > 1 and (said := [translated(part, language) for part in parts]) != parts:
            return translations(language).get(mark, mark).join(said)
    return text


def _whole(text: str, language: str) -> str | None:
    messages = translations(language)
    if text in messages:
        return messages[text]
    bare = text.strip()
    if bare != text:
        inside = _whole(bare, language) if bare else None
        return inside and text.replace(bare, inside)
    for pattern, translation in _patterns(language):
        if found := pattern.fullmatch(text):
            return _filled(translation, found.groupdict(), language)
    return None


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Each message with places as a pattern, the one with most letters of its own first."""
    messages = {message: list(_parts(message)) for message in translations(language) if "{" in message}
    own = {message: sum(len(letters) for letters, _ in parts) for message, parts in messages.items()}
    ordered = sorted(messages, key=lambda message: (-own[message], message))
    return [(re.compile(_pattern(messages[one]), re.DOTALL), translations(language)[one]) for one in ordered]


def _parts(message: str) -> Iterator[tuple[str, str | None]]:
    """Yield the letters before each place with its name; None behind the last."""
    return ((letters, name) for letters, name, *_ in Formatter().parse(message))


def _pattern(parts: list[tuple[str, str | None]]) -> str:
    return "".join(
        re.escape(letters) + (_group(name, letters.endswith("`")) if name else "") for letters, name in parts
    )


def _group(name: str, coded: bool) -> str:
    kind = _PLACES.get(name.partition("_")[0].rstrip("0123456789"), _PART)
    return f"(?P<{name}>{_CODED if coded else kind})"


def _filled(translation: str, found: Mapping[str, str], language: str) -> str:
    said = {name: translated(one, language) if name.startswith(_MESSAGES) else one for name, one in found.items()}
    return translation.format_map(said)
