"""Links each term of the glossary where a notebook uses it first; the builder does this, so that no author must.

Headings, tables, code, links, titles in italics and the line that tools/pages/write_claims.py writes are left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nbformat import NotebookNode

from notebook_files import ROOT

TERMS = ROOT / "tools" / "pages" / "glossary.json"
PAGE = "docs/glossary.md"
LEFT_ALONE = re.compile(
    r"```.*?```|`[^`]*`|(?<![*\w])\*(?!\*)[^*]+\*(?!\*)|!?\[[^]]*\]\([^)]*\)|<[^>]+>"
    r"|^#.*?$|^\|.*?$|^\*\*Seen on the chip\?\*\*.*?$",
    re.DOTALL | re.M,
)
LINKED = re.compile(rf"{re.escape(PAGE)}#([\w-]+)")


@dataclass(frozen=True)
class Term:
    """A word of the glossary, and the forms that count as a use of it."""

    anchor: str
    forms: tuple[str, ...]


def anchor_of(term: str) -> str:
    """Return what GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", term.casefold()).replace(" ", "-")


def terms(number: str) -> Iterator[Term]:
    """Yield the terms that count in the notebook of this number."""
    for group in json.loads(TERMS.read_text(encoding="utf-8"))["groups"].values():
        for one in group:
            if number not in one.get("not_in", ()):
                yield Term(anchor_of(one["term"]), tuple(one["forms"]))


def link_terms(cells: Iterable[NotebookNode], number: str, *, up: str = "../") -> None:
    """Link each term at its first use in the text of `cells`; `up` leads from the notebook to the repository."""
    open_terms = {form.casefold(): term.anchor for term in terms(number) for form in term.forms}
    forms = sorted(open_terms, key=len, reverse=True)
    words = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in forms)
    pattern = re.compile(rf"(?<![\w/.-])(?:{words})(?![\w-])", re.IGNORECASE)
    seen: set[str] = set()

    def link(match: re.Match[str]) -> str:
        anchor = open_terms[" ".join(match[0].casefold().split())]
        if anchor in seen:
            return match[0]
        seen.add(anchor)
        return f"[{match[0]}]({up}{PAGE}#{anchor})"

    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = "".join(
                part if alone else pattern.sub(link, part) for part, alone in _parts(cell.source, seen)
            )


def _parts(text: str, seen: set[str]) -> Iterator[tuple[str, bool]]:
    """Yield pieces of a text, and whether each stays as it is; a link that an author wrote counts as seen."""
    end = 0
    for found in LEFT_ALONE.finditer(text):
        yield text[end : found.start()], False
        seen.update(LINKED.findall(found[0]))
        yield found[0], True
        end = found.end()
    yield text[end:], False
