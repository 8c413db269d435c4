"""The words between a page's tags, exchanged; everything else stays as it is."""

import html
import re
from collections.abc import Iterator

from inf2lab.language.catalogue import ENGLISH, spoken, translated
from inf2lab.words import as_html

_TAG = re.compile(r"(<(?!/?(?:code|b|i)>)[^>]*>)")  # these stand inside a sentence
_WHOLE = "white-space:nowrap; "  # of a column's head: a language without blanks would be broken anywhere
_KEPT = ("pre", "style")  # what a program printed, and what is no text


def translated_html(page: str, language: str | None = None) -> str:
    """Return a page or a table with its words in a language, by default the reader's."""
    language = language or spoken()
    if language == ENGLISH:
        return page
    return "".join(_translated(page, language)).replace('<html lang="en">', f'<html lang="{language}">')


def _translated(page: str, language: str) -> Iterator[str]:
    kept = ""
    for place, part in enumerate(_TAG.split(page)):
        if place % 2:  # a tag
            name = re.split(r"[ >]", part[1:], maxsplit=1)[0]
            kept = name if name in _KEPT else "" if name == f"/{kept}" else kept
            if name == "th" and _WHOLE not in part:  # an answer may hold a table that was translated before
                part = part.replace('style="', f'style="{_WHOLE}', 1)
        yield part if place % 2 or kept or not part.strip() else _text(part, language)


def _text(part: str, language: str) -> str:
    """A sentence, whose code stands in backquotes while it is looked for; what is bold or slanted stays so."""
    english = html.unescape(re.sub(r"</?code>", "`", part))
    found = translated(english, language)
    return part if found == english else re.sub(r"&lt;(/?[bi])&gt;", r"<\1>", as_html(found))
