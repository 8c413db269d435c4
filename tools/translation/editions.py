"""Makes the editions: each notebook and page in each language, from the executed English one and its translations.

A notebook's code and outputs are those of the English notebook. A message without a translation stays English, and
`make test` says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from babel import Locale

import pages
from catalogs import PROGRAM, ROOT, Message, catalog_path, languages, read_catalog, sources
from inf2lab.language import translated_html
from notebook_files import read_notebook
from page_files import PICTURES, picture_file

_TARGET = re.compile(r"(\]\(|(?:href|src)=\")([^)\s\"#]+)")
SPOKEN = ROOT / "lib" / "inf2lab" / "language"  # what the program reads at run time


def edition_path(source: Path, language: str) -> Path:
    """Return where the edition of a notebook, page or picture is, such as notebooks/ja/02_plan.ipynb."""
    if source.parent == ROOT:
        return source.with_suffix(f".{language}{source.suffix}")
    if source.parent == PICTURES:
        return picture_file(source.stem, language)
    folder = ROOT / source.relative_to(ROOT).parts[0]
    return folder / language / source.relative_to(folder)


def editions(language: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of an edition, with its text."""
    for source in sources():
        yield edition_path(source, language), edition(source, language)


def edition(source: Path, language: str) -> str:
    """Return the text of one file of an edition."""
    entries, translated = read_catalog(catalog_path(source, language)), set(sources())

    def translate(text: str, context: str = "") -> str:
        entry = entries.get(Message(text, context))
        return _relinked(entry.translation if entry and entry.translation else text, source, language, translated)

    if source.suffix != ".ipynb":
        made = pages.translated(source.read_text(encoding="utf-8"), translate)
        first, _, rest = made.partition("\n")
        return f"{editions_line(language)}\n{rest}" if pages.EDITIONS.match(first) else made
    return _notebook(source, language, translate)


def program(language: str) -> str:
    """Return what the program says in a language, as it reads it."""
    entries = read_catalog(catalog_path(PROGRAM, language))
    said = {message.text: one.translation for message, one in entries.items() if one.translation and not one.stale}
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def editions_line(language: str) -> str:
    """Return the first line of a README: this edition's language, and links to the others."""
    names = {"en": "README.md"} | {code: f"README.{code}.md" for code in languages()}
    shown = {code: Locale(code).get_language_name() for code in names}
    return " · ".join(f"**{name}**" if code == language else f"[{name}]({names[code]})" for code, name in shown.items())


def _notebook(source: Path, language: str, translate: Callable[[str, str], str]) -> str:
    notebook = read_notebook(source)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = translate(cell.source, cell.id)
        for data in (output["data"] for output in cell.get("outputs", ()) if "data" in output):
            if "text/html" in data:
                data["text/html"] = translated_html(data["text/html"], language)
    return nbformat.writes(notebook) + "\n"


def _relinked(text: str, source: Path, language: str, translated: set[Path]) -> str:
    """Let a link lead to the same edition of its target, or else to the English one."""
    here = edition_path(source, language).parent

    def lead(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / match[2]))
        if ":" in match[2] or not target.is_relative_to(ROOT):
            return match[0]
        drawn = target.parent == PICTURES and edition_path(target, language).exists()
        folder = target != ROOT and any(one.parent == target for one in translated)
        meant = edition_path(target, language) if target in translated or drawn or folder else target
        return match[1] + Path(os.path.relpath(meant, here)).as_posix()

    return _TARGET.sub(lead, text)
