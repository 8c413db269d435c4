"""A Markdown page as the parts that a translator sees, and the lines between them that stay as they are.

A part is a heading, a paragraph, an item of a list, a row of a table or a summary. Code, tags, comments and the line
below a table's head are no parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from link_terms import anchor_of

# Pieces of Markdown that are no prose.
FENCED = re.compile(r"^\s*```.*?^\s*```", re.DOTALL | re.M)
CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_FENCE = re.compile(r"\s*(```|~~~)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s+")
_HEADING = re.compile(r"#{1,6} ")
_RULE_OF_TABLE = re.compile(r"\|?[\s:|-]+\|?$")
_SUMMARY = re.compile(r"(\s*(?:<details>)?<summary>)(.*)(</summary>\s*)$")
_LITERAL = re.compile(r"\s*(?:</?\w[^>]*>\s*)+$|\s*<!--.*-->\s*$|\s*$")
EDITIONS = re.compile(r"\*\*(\w+)\*\* · .*\]\(README")  # the line that leads from one edition to the others
_NAME = re.compile(r"#+ [a-z0-9]+(?:-[a-z0-9]+)*$")  # a row's own name, which commands print
_WORDS = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Part:
    """Some text of a page: `before` and `after` frame what is translated, if anything is."""

    text: str
    translated: bool = False
    before: str = ""
    after: str = ""


def parts(page: str) -> Iterator[Part]:
    """Yield the page's parts in order; joined by newlines they are the page."""
    waiting: list[str] = []
    fence = ""
    for line in page.split("\n"):
        opened = _FENCE.match(line)
        stays_code = fence or opened or (not waiting and re.match(r" {4}\S", line))
        if waiting and (stays_code or _begins_anew(line)):
            yield _part("\n".join(waiting))
            waiting = []
        if stays_code:
            yield Part(line)
            if opened and (not fence or opened[1] == fence):
                fence = "" if fence else opened[1]
        elif summary := _SUMMARY.fullmatch(line):
            yield Part(summary[2], translated=True, before=summary[1], after=summary[3])
        elif _LITERAL.fullmatch(line) or EDITIONS.match(line) or ("|" in line and _RULE_OF_TABLE.fullmatch(line)):
            yield Part(line)
        elif line.startswith("|") or _HEADING.match(line):
            yield _part(line)
        else:
            waiting.append(line)
    if waiting:
        yield _part("\n".join(waiting))


def _begins_anew(line: str) -> bool:
    return bool(
        _LITERAL.fullmatch(line)
        or line.startswith("|")
        or _HEADING.match(line)
        or _ITEM.match(line)
        or _SUMMARY.fullmatch(line)
    )


def _part(text: str) -> Part:
    """A part without words outside code and links' targets, such as a row of numbers, is not translated."""
    visible = re.sub(r"`[^`]*`|\]\([^)]*\)|<[^>]+>", "", text)
    return Part(text, translated=bool(_WORDS.search(visible)) and not _NAME.match(text))


def translated(page: str, translate: Callable[[str], str]) -> str:
    """Return the page with each part as `translate` gives it; a heading keeps its anchor of before."""
    lines = []
    for part in parts(page):
        text = translate(part.text) if part.translated else part.text
        if _HEADING.match(part.text) and anchor(text) != anchor(part.text):
            lines += [f'<a id="{anchor(part.text)}"></a>', ""]
        lines.append(part.before + text + part.after)
    return "\n".join(lines)


def anchor(heading: str) -> str:
    """Return what GitHub makes of a heading, without the addresses of its links."""
    return anchor_of(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.lstrip("#").strip()))
