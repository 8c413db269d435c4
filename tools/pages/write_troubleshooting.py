#!/usr/bin/env python
"""Write docs/troubleshooting.md from the drills and the catalog; --record runs all drills for their lines first."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from inf2lab import catalog, drills
from inf2lab.catalog import Trouble
from inf2lab.drills import Drill
from inf2lab.drills.recorded import FILE, describe_seen, seen
from inf2lab.files import write_file
from page_files import DOCS, options, write_pages

PAGE = DOCS / "troubleshooting.md"
HEAD = """\
# What goes wrong, and what to do

Search this page for the line of your log, without its numbers. Or let a command do it:

```
inf2lab explain < serving.log      # or a file's name; without one: the newest log of this clone
inf2lab drill queue-full           # causes one of these failures here, and takes it down again
```

`explain` reads logs of any size, with colours, timestamps and the prefixes of Docker, Kubernetes and CloudWatch, also
as JSON. It names causes first, then what follows from them; of an exception that no row knows it says who raised it.
It leaves with 0 if there is no failure (harmless lines are named), with 1 if there is one, known or not, and with 2 if
the log could not be read.

Every line in the first part was printed by a failure that was caused on purpose (`inf2lab drill --all`, notebook
[08](../notebooks/08_break_it.ipynb)); tests cause them again. Ports and process ids are masked. The other parts have
what public reports, documents and sources of each component say. Built by `tools/pages/write_troubleshooting.py`.
"""
LEVELS = {
    "consequence": "Follows from another failure.",
    "wrapper": "Says only that something failed.",
    "harmless": "Harmless.",
}


def page() -> str:
    """Return the page's text."""
    covered = {name for drill in drills.DRILLS.values() for name in drill.covers}
    rows = [row for row in catalog.troubles().values() if row.id not in covered]
    parts = {row.component: [each for each in rows if each.component == row.component] for row in rows}
    lines = [HEAD, "| symptom | |", "|---|---|"]
    lines += [f"| {_cell(drill.title)} | [{name}](#{name}) |" for name, drill in drills.DRILLS.items()]
    lines += [f"| {_cell(row.symptom)} | [{row.id}](#{row.id}) |" for part in parts.values() for row in part]
    lines += ["", "## Failures that can be caused here", ""]
    for drill in drills.DRILLS.values():
        lines += _drill(drill)
    for component, part in parts.items():
        lines += [f"## {component}", ""]
        for row in part:
            lines += _row(row)
    return "\n".join(lines)


def record() -> bool:
    """Run every drill and write what it looked like; returns whether all of them passed. Prints a line each."""
    found = {}
    for result in drills.run(drills.DRILLS.values()):
        print(f"{result.verdict}  {result.seconds:5.1f} s  {result.drill.name}", flush=True)
        if not result.ok:
            print(f"  {result.unavailable or result.sighting.answer}")
            return False
        found[result.drill.name] = asdict(describe_seen(result))
    write_file(FILE, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    seen.cache_clear()
    return True


def _row(row: Trouble) -> list[str]:
    level = f" {LEVELS[row.level]}" if row.level in LEVELS else ""
    end = "" if row.symptom[-1] in "?!.…" else "."
    lines = [f"### {row.id}", "", f"{row.symptom}{end}{level}", ""]
    if row.line:
        lines += ["```", *row.line.splitlines(), "```", ""]
    lines += [f"- **Cause:** {row.cause}", f"- **Fix:** {row.fix}"]
    lines += [f"- **Said by:** {row.release}."] if row.release else []
    return [*lines, f"- **Source:** {row.source}.", ""]


def _drill(drill: Drill) -> list[str]:
    recorded = seen()[drill.name]
    lines = [f"### {drill.name}", "", f"{drill.title}. Caused by: {drill.how}.", ""]
    if drill.log:
        lines += ["The log says:", "", "```", recorded.line, "```", ""]
    lines += ["The terminal shows:", "", "```", *recorded.terminal, "```", ""]
    lines += [f"- **Cause:** {drill.cause}", f"- **Fix:** {drill.fix}", f"- **On the chip:** {drill.chip}"]
    for name in drill.covers:
        lines += [f"- **Source:** {catalog.trouble(name).source}."]
    return [*lines, ""]


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def main() -> int:
    """Return 0 when the page was written, or agrees; 1 when not."""
    parser = options(__doc__)
    parser.add_argument("--record", action="store_true", help="run every drill and keep its lines first")
    chosen = parser.parse_args()
    if chosen.record and not record():
        return 1
    return write_pages({PAGE: page()}, check=chosen.check)


if __name__ == "__main__":
    sys.exit(main())
