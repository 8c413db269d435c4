#!/usr/bin/env python
"""Brings the editions in other languages up to date, and says what a translator has to do.

python tools/translation/translate.py            put new and changed messages into the PO files, build the editions
python tools/translation/translate.py --check    write nothing; exit 1 where a translation or an edition is out of date

A message whose English text has changed keeps its old translation, marked `fuzzy` beside the old text, until somebody
has looked at it and taken the mark away.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import nbformat

TOOLS = Path(__file__).resolve().parents[1]
sys.path += [str(TOOLS / "notebooks"), str(TOOLS / "pages")]  # of scripts, not packages

from catalogs import (
    PROGRAM,
    ROOT,
    TRANSLATIONS,
    catalog_path,
    languages,
    merged,
    messages,
    read_catalog,
    sources,
    write_catalog,
)
from comparison import problems
from editions import SPOKEN, edition_path, editions, program
from inf2lab import paths
from inf2lab.files import write_file
from kept_copies import keep_if_a_readers
from notebook_files import read_notebook


def todo(source: Path, language: str) -> Iterator[str]:
    """Yield what a translator has to do for one notebook, page or the program, a paragraph for each message."""
    old, wanted = read_catalog(catalog_path(source, language)), list(messages(source))
    name = paths.shown(catalog_path(source, language))
    made = merged(wanted, old)
    for message, entry in made.items():
        where = f"{name}, {message.context}" if message.context else name
        if not entry.translation:
            yield f"{where}: no translation of\n{_shown(message.text)}"
        elif entry.stale:
            yield (
                f"{where}: the English text has changed, from\n{_shown(entry.before)}\n  to\n{_shown(message.text)}\n"
                f"  It is translated so far as\n{_shown(entry.translation)}"
            )
        else:
            # A picture's words are in lines as there is room.
            lines = "\n\n" if source == PROGRAM else "\n"
            texts = [text.replace("\n", lines) for text in (message.text, entry.translation)]
            for problem in problems(texts[0], texts[1], language):
                yield f"{where}: {problem}; in\n{_shown(entry.translation)}"
    changed = {(entry.before, message.context) for message, entry in made.items() if entry.stale}
    for message in old:
        if message not in made and (message.text, message.context) not in changed:
            yield f"{name}: nothing has this text any more:\n{_shown(message.text)}"


def _shown(text: str) -> str:
    return textwrap.indent(text, "    | ", lambda _: True)


def update(language: str) -> None:
    """Put every message into its PO file: a new one without a translation, a changed one marked."""
    for source in (*sources(), PROGRAM):
        path = catalog_path(source, language)
        old, wanted = read_catalog(path), list(messages(source))
        if list(old) != wanted or not path.exists():
            write_catalog(path, merged(wanted, old), language)
    write_file(SPOKEN / f"{language}.json", program(language))  # first, as the notebooks' tables are made with it


def stale_editions(language: str) -> dict[Path, str]:
    """Return the files of an edition that differ from what their sources give, with what they should hold."""
    made = dict(editions(language)) | {SPOKEN / f"{language}.json": program(language)}
    return {path: text for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text}


def leftovers(language: str) -> list[Path]:
    """Return PO files and files of an edition that have no source any more."""
    wanted = {edition_path(source, language) for source in sources()}
    folders = {path.parent for path in wanted if path.parent != ROOT}
    there = {path for folder in folders for path in folder.glob("*") if path.suffix in {".md", ".ipynb"}}
    files = {catalog_path(source, language) for source in (*sources(), PROGRAM)}
    return sorted((there - wanted) | (set((TRANSLATIONS / language).rglob("*.po")) - files))


def _write(path: Path, text: str) -> None:
    """Write a file of an edition; what a reader has typed into a notebook's code is kept first."""
    if path.suffix == ".ipynb" and path.exists():
        built = nbformat.reads(text, as_version=4)
        typed = _code(read_notebook(path)) != _code(built)
        if typed and (kept := keep_if_a_readers(path, built)):
            print(f"{paths.shown(path)} was not the committed one: what it held is kept in {paths.shown(kept)}")
    write_file(path, text)


def _code(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when every language is whole, 1 when a translator has something to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "languages", nargs="*", metavar="LANGUAGE", help=f"of {', '.join(languages())}; all if not given"
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.languages) - set(languages())):
        parser.error(f"{unknown[0]}: no such language; its folder is {TRANSLATIONS.name}/{unknown[0]}, with PO files")
    found: list[str] = []
    for language in options.languages or languages():
        if not options.check:
            update(language)
        found += [text for source in (*sources(), PROGRAM) for text in todo(source, language)]
        for path, text in stale_editions(language).items():
            if options.check:
                found.append(f"{paths.shown(path)} is not what its sources give: `make translate` builds it")
                continue
            _write(path, text)
        found += [f"{paths.shown(path)} has no source any more: remove it" for path in leftovers(language)]
    print("\n\n".join(found))
    print(f"{len(found)} things to do" if found else "every message is translated, and every edition is up to date")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
