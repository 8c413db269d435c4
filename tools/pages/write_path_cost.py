"""Write the README's table of what the path on the chip takes, and the minutes to read in its list of notebooks.

python tools/pages/write_path_cost.py

Loads, minutes and dollars are the planner's and the catalog's; notebook 00 shows the same table from the same function.
The minutes to read are those that each notebook says at its top.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from inf2lab.aws import path_table
from page_files import ROOT, options, write_pages

README = ROOT / "README.md"
SOURCES = ROOT / "notebooks" / "source"
TIME = re.compile(r"^# \| \*\*Time\*\* \|\D*(\d+)", re.MULTILINE)
BEGIN, END = "<!-- path: tools/pages/write_path_cost.py -->", "<!-- end of path -->"


def readme(text: str) -> str:
    """Return the README with the table between its two marks, and the minutes that its list of notebooks says."""
    table = path_table()
    lines = [_line(table.heads), "|---" * len(table.heads) + "|", *map(_line, table.rows)]
    block = "\n".join([BEGIN, "", *lines, "", END])
    text = re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)
    return re.sub(r"^(\| \[(\d\d) [^|]+\|[^|]+\| )\d+ min", _with_minutes, text, flags=re.MULTILINE)


def _with_minutes(row: re.Match[str]) -> str:
    (source,) = SOURCES.glob(f"{row[2]}_*.py")
    found = TIME.search(source.read_text(encoding="utf-8"))
    return f"{row[1]}{found[1]} min" if found else row[0]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    page = readme(README.read_text(encoding="utf-8"))
    sys.exit(write_pages({README: page}, check=options(__doc__).parse_args().check))
