"""Write docs/claims.md, the README's table and a line of notebooks: what is said of the chip, and what it rests on.

python tools/pages/write_claims.py

The claims are lib/inf2lab/catalog/claims.json, the proofs docs/evidence; a test compares all pages.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from inf2lab.prove import Evidence, Standing, all_evidence, standings
from page_files import DOCS, ROOT, options, write_pages

PAGE, README, EVIDENCE = DOCS / "claims.md", ROOT / "README.md", DOCS / "evidence"
ASKED = "**Seen on the chip?**"  # begins the line of a notebook
BEGIN, END = "<!-- claims: tools/pages/write_claims.py -->", "<!-- end of claims -->"


def page(evidence: Mapping[str, Evidence]) -> str:
    """Return the page of all claims."""
    rows = standings(evidence)
    lines = [
        "# What is said of the chip, and what it rests on",
        "",
        "Written by `tools/pages/write_claims.py` from `lib/inf2lab/catalog/claims.json` and `docs/evidence`.",
        "**Proven**: somebody has seen it on the chip, and the file says how. **Documented**: AWS says so.",
        "**Reasoned**: it follows from sources, and nobody has seen it.",
        "[Prove it](evidence/README.md) for about a dollar.",
        "",
        f"{_counted(rows)}.",
        "",
        "| claim | status | by | said in |",
        "|---|---|---|---|",
    ]
    for row in rows:
        said = ", ".join(f"[{Path(name).name}](../{name})" for name in row.said_in)
        lines.append(f"| {row.claim} | {row.status} | {_by(row, 'evidence/')} | {said} |")
    return "\n".join(lines) + "\n"


def readme(text: str, evidence: Mapping[str, Evidence]) -> str:
    """Return the README with the table between its two marks."""
    rows = standings(evidence)
    lines = ["| said of the chip | status |", "|---|---|"]
    for row in rows:
        by = f" by {_by(row, 'docs/evidence/')}" if row.shown else ""
        lines.append(f"| {row.claim} | {row.status}{by} |")
    block = "\n".join(
        [BEGIN, "", f"{_counted(rows)}; [docs/claims.md](docs/claims.md) has the sources.", "", *lines, "", END]
    )
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


def notebooks(evidence: Mapping[str, Evidence]) -> dict[Path, str]:
    """Return the notebooks that make claims, and their sources, with the line that says how these stand."""
    rows, pages = standings(evidence), {}
    for name in sorted({name for row in rows for name in row.said_in if name.endswith(".ipynb")}):
        said = " ".join(f"{row.claim.rstrip('.')} ({row.status})." for row in rows if name in row.said_in)
        line = f"{ASKED} {said} [What each rests on](../docs/claims.md)"
        built = ROOT / name
        source = built.parent / "source" / f"{built.stem}.py"
        pages[source] = _replace_line(source, rf"^# {re.escape(ASKED)}.*$", f"# {line}")
        as_json = json.dumps(f"{line}\n", ensure_ascii=False)
        pages[built] = _replace_line(built, rf'"{re.escape(ASKED)}.*",$', f"{as_json},")
    return pages


def _replace_line(path: Path, pattern: str, new: str) -> str:
    """Return a file with its one line of a pattern replaced."""
    text, count = re.subn(pattern, lambda _: new, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"{path.relative_to(ROOT)} has {count} lines that begin with {ASKED!r}: one is needed")
    return text


def _counted(rows: list[Standing]) -> str:
    """How many claims stand in which way."""
    counts = Counter(row.status for row in rows)
    return f"Of {len(rows)} claims {', '.join(f'{count} are {status}' for status, count in counts.items())}"


def _by(row: Standing, folder: str) -> str:
    return f"[{row.by}]({folder}{row.by})" if row.shown else row.by


def main() -> int:
    """Write all pages, or compare them with --check. Exit code 1 if one is out of date."""
    check, evidence = options(__doc__).parse_args().check, all_evidence(EVIDENCE)
    pages = {PAGE: page(evidence), README: readme(README.read_text(encoding="utf-8"), evidence)}
    return write_pages(pages | notebooks(evidence), check=check)


if __name__ == "__main__":
    sys.exit(main())
