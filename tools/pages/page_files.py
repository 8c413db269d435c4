"""What the writers of pages share: they write the pages that differ, or with --check only name them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from inf2lab.files import write_file
from inf2lab.language import ENGLISH

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PICTURES = DOCS / "pictures"


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows --check and takes the first line of a docstring as its description."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    return parser


def picture_file(name: str, language: str) -> Path:
    """Return where a picture lies, in English or in another language."""
    return PICTURES / ("" if language == ENGLISH else language) / f"{name}.svg"


def write_pages(pages: Mapping[Path, str], *, check: bool) -> int:
    """Write each page whose text differs, or only name it; return the exit code, 1 for a difference that stays."""
    stale = [page for page, text in pages.items() if not page.exists() or page.read_text(encoding="utf-8") != text]
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {f'out of date; run {Path(sys.argv[0]).name}' if check else 'written'}")
        if not check:
            write_file(page, pages[page])
    return int(check and bool(stale))
