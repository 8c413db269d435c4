"""contract.md names a test for every rule, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROWS = [
    line.strip("|").split(" | ") for line in (HERE / "contract.md").read_text().splitlines() if re.match(r"\| \d", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0].strip()}: {row[1][:40]}")
def test_rule_has_its_tests(row: list[str]) -> None:
    _, _, tests = row
    for test in tests.split(","):
        path, name = test.strip().split("::")
        file = Path(__file__).parents[3] / path if "/" in path else HERE / path
        assert re.search(rf"^def {name}\(", file.read_text(), re.MULTILINE), f"{test} does not exist"


@pytest.mark.parametrize("section", "123456789")
def test_every_section_is_there(section: str) -> None:
    assert any(row[0].strip().startswith(section) for row in ROWS)
