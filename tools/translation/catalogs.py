"""The messages of each notebook, page and of the program, and their translations: PO files in translations/LANGUAGE.

A notebook's message is a cell: its id is the context, its text the message. A page's message is a part (pages.py).
The program's stand in translations/program.pot: what pictures, tables and answers say (inf2lab.language).
A translation counts only while its English text is, letter by letter, the one that stands there now.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as PoMessage
from babel.messages.pofile import read_po, unescape, write_po

import pages
from inf2lab.files import write_file
from notebook_files import NOTEBOOKS, ROOT, read_notebook

TRANSLATIONS = ROOT / "translations"
_NEVER_WRAPPED = 10**6  # without a width Babel breaks what stands behind `#|` in the middle of a string
PROGRAM = TRANSLATIONS / "program.pot"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
PAGES = (
    "README",
    "docs/article_defects",
    "docs/article_map",
    "docs/claims",
    "docs/glossary",
    "docs/image",
    "docs/lint_rules",
    "docs/permissions",
    "docs/take_away",
    "docs/troubleshooting",
    "docs/where_next",
    "docs/workshop",
)


@dataclass(frozen=True)
class Message:
    """A piece of English text; `context` is the cell that holds it, empty on a page."""

    text: str
    context: str = ""


def languages() -> list[str]:
    """Return the languages that have translations: adding a folder adds a language."""
    return sorted(path.name for path in TRANSLATIONS.iterdir() if path.is_dir())


def sources() -> list[Path]:
    """Return every notebook and page that has editions, in reading order."""
    written = [ROOT / f"{name}.md" for name in PAGES]
    return [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob("exercises/*.ipynb")), *written]


def messages(source: Path) -> Iterator[Message]:
    """Yield what is translated of a notebook, a page or the program, each message once."""
    if source == PROGRAM:
        yield from read_catalog(source)
    elif source.suffix == ".ipynb":
        yield from (Message(c.source, c.id) for c in read_notebook(source).cells if c.cell_type == "markdown")
    else:
        texts = (part.text for part in pages.parts(source.read_text(encoding="utf-8")) if part.translated)
        yield from map(Message, dict.fromkeys(texts))


def catalog_path(source: Path, language: str) -> Path:
    """Return where the translations of a notebook, a page or the program are kept."""
    if source == PROGRAM:
        return TRANSLATIONS / language / "program.po"
    return (TRANSLATIONS / language / source.relative_to(ROOT)).with_suffix(".po")


@dataclass(frozen=True)
class Entry:
    """A message of a PO file: its translation, and whether a translator must look at it again."""

    translation: str
    stale: bool
    before: str = ""  # the English text that a stale translation was made from


def read_catalog(path: Path) -> dict[Message, Entry]:
    """Return the translations of a PO file, in its order; none where there is no file."""
    if not path.exists():
        return {}
    return dict(_entries(path.read_text(encoding="utf-8")))


@cache
def _entries(text: str) -> dict[Message, Entry]:
    before = _previous(text)
    return {
        (message := Message(str(po.id), po.context or "")): Entry(str(po.string), po.fuzzy, before.get(message, ""))
        for po in _read(text)
    }


def _read(text: str) -> Iterator[PoMessage]:
    yield from (po for po in read_po(io.StringIO(text), abort_invalid=True) if po.id)


def _previous(text: str) -> dict[Message, str]:
    """What stands behind `#|`, by message; Babel writes it and does not read it."""
    found: dict[Message, str] = {}
    for block in text.split("\n\n"):
        if lines := [line for line in block.split("\n") if line.startswith("#|")]:
            before = "".join(map(unescape, _QUOTED.findall("\n".join(lines))))
            found |= {Message(str(po.id), po.context or ""): before for po in _read(block)}
    return found


def write_catalog(path: Path, entries: dict[Message, Entry], language: str) -> None:
    """Write a PO file; the same entries give the same bytes."""
    catalog = Catalog(locale=language, project="inf2lab", version="1", fuzzy=False, charset="utf-8")
    for message, entry in entries.items():
        flags = ["fuzzy"] if entry.stale else []
        context, before = message.context or None, [entry.before] if entry.before else []
        catalog.add(message.text, entry.translation, flags=flags, context=context, previous_id=before)
    made = io.BytesIO()
    write_po(made, catalog, width=_NEVER_WRAPPED, omit_header=True, include_previous=True)
    # Without its dates, which would change at every run, a header says only this.
    head = f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, head + made.getvalue().decode())


def merged(wanted: list[Message], old: dict[Message, Entry]) -> dict[Message, Entry]:
    """Return an entry for each message: its translation, or the nearest one, stale, or an empty one."""
    kept = set(wanted)
    unused = {message: entry for message, entry in old.items() if message not in kept and entry.translation}
    made = {}
    for message in wanted:
        if (message in old and not old[message].stale) or (message in old and old[message].translation):
            made[message] = old[message]
        elif near := _nearest(message, unused):
            made[message] = Entry(unused[near].translation, stale=True, before=unused[near].before or near.text)
            del unused[near]
        else:
            made[message] = Entry("", stale=False)
    return made


def _nearest(message: Message, among: dict[Message, Entry]) -> Message | None:
    """The message of the same cell, or the one whose text is most alike."""
    for other in among:
        if message.context and other.context == message.context:
            return other
    texts = {other.text: other for other in among if not message.context}
    close = difflib.get_close_matches(message.text, texts, 1)
    return texts[close[0]] if close else None
