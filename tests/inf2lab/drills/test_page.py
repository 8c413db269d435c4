"""docs/troubleshooting.md says what the drills and the catalog say, and can be searched by a log's line."""

from __future__ import annotations

import re

import pytest

import write_troubleshooting
from inf2lab import catalog, drills
from inf2lab.drills import DRILLS

PAGE = write_troubleshooting.PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_tool_writes() -> None:
    assert write_troubleshooting.page() == PAGE, "run tools/pages/write_troubleshooting.py"


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_is_on_the_page_with_its_line_cause_and_fix(name: str) -> None:
    drill, section = DRILLS[name], _section(name)
    recorded = drills.seen()[name]
    for text in (drill.title, drill.how, drill.cause, drill.fix, drill.chip, recorded.line if drill.log else ""):
        assert text in section
    assert all(line in section for line in recorded.terminal)
    assert [match.name for match in drills.explain("\n".join([*recorded.terminal, recorded.line]))] == [name]


def test_a_row_of_the_catalog_is_on_the_page() -> None:
    headings = re.findall(r"(?m)^### (.+)$", PAGE)
    for name, row in catalog.troubles().items():
        covering = [drill.name for drill in DRILLS.values() if name in drill.covers]
        for section in covering or [name]:
            assert row.source in _section(section), (name, section)
            assert headings.count(section) == 1, (name, section)
        assert headings.count(name) == (0 if covering and name not in DRILLS else 1), name


def test_links_of_the_index_resolve() -> None:
    linked = re.findall(r"\]\(#([\w-]+)\)", PAGE)
    assert linked == re.findall(r"(?m)^### (.+)$", PAGE)


def _section(name: str) -> str:
    return PAGE.split(f"### {name}\n", 1)[1].split("\n### ", 1)[0]
