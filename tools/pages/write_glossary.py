"""Write docs/glossary.md from tools/pages/glossary.json: the tutorial's words, a line each, with the Japanese word.

python tools/pages/write_glossary.py

The notebooks link a term where they use it first: tools/notebooks/link_terms.py does that when they are built.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from page_files import DOCS, options, write_pages

PAGE = DOCS / "glossary.md"
TERMS = Path(__file__).with_name("glossary.json")
HEAD = """# Glossary

Written by `tools/pages/write_glossary.py` from `tools/pages/glossary.json`. The notebooks use one word for one thing,
and link it here where it comes first. The Japanese word is that of the article's Japanese edition; where the article
has none, it is in parentheses.
"""


def page() -> str:
    """Return the page."""
    groups = json.loads(TERMS.read_text(encoding="utf-8"))["groups"]
    return HEAD + "".join(_lines(groups))


def _lines(groups: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    for title, terms in groups.items():
        yield f"\n## {title}\n"
        for one in terms:
            japanese = one["ja"] if one["in_article"] else f"({one['ja']})"
            yield f"\n### {one['term']}\n\n{one['says']} — {japanese}\n"


if __name__ == "__main__":
    sys.exit(write_pages({PAGE: page()}, check=options(__doc__).parse_args().check))
