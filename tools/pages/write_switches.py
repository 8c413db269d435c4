"""Write the table of switches in the rehearsal server's README: where its default differs from DJLServing.

python tools/pages/write_switches.py

The switches are lib/rehearsal/server/switches.py; a test compares.
"""

from __future__ import annotations

import re
import sys

from page_files import ROOT, options, write_pages
from rehearsal.server.switches import table

README = ROOT / "lib" / "rehearsal" / "server" / "README.md"
BEGIN, END = "<!-- switches: tools/pages/write_switches.py -->", "<!-- end of switches -->"


def readme(text: str) -> str:
    """Return the README with the table between its two marks."""
    block = f"{BEGIN}\n\n{table()}\n\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


def main() -> int:
    """Write the page, or compare it with --check. Exit code 1 if it is out of date."""
    check = options(__doc__).parse_args().check
    return write_pages({README: readme(README.read_text(encoding="utf-8"))}, check=check)


if __name__ == "__main__":
    sys.exit(main())
