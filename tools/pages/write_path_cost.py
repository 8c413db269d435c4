"""Write the README's table of what the path on the chip takes: loads, minutes and dollars, notebook by notebook.

python tools/pages/write_path_cost.py

The numbers are the planner's and the catalog's; notebook 00 shows the same table from the same function.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from inf2lab.aws import path_table
from page_files import ROOT, options, write_pages

README = ROOT / "README.md"
BEGIN, END = "<!-- path: tools/pages/write_path_cost.py -->", "<!-- end of path -->"


def readme(text: str) -> str:
    """Return the README with the table between its two marks."""
    table = path_table()
    lines = [_line(table.heads), "|---" * len(table.heads) + "|", *map(_line, table.rows)]
    block = "\n".join([BEGIN, "", *lines, "", END])
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    page = readme(README.read_text(encoding="utf-8"))
    sys.exit(write_pages({README: page}, check=options(__doc__).parse_args().check))
