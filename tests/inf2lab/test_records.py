"""A dataclass from JSON: what a row may be beside the catalog's tables (tests/inf2lab/catalog/test_rows.py)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from inf2lab.errors import LabError
from inf2lab.records import build


class Level(StrEnum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class Step:
    at: float
    level: Level
    said: list[str]
    facts: dict[str, Any]


ROW = {"at": 1, "level": "low", "said": ["a"], "facts": {"b": 2}}
STEP = Step(1, Level.LOW, ["a"], {"b": 2})


@pytest.mark.parametrize("row", [ROW, list(ROW.values())], ids=["an object", "a list of all its values"])
def test_a_row_becomes_its_class(row: object) -> None:
    made = build(Step, row, "file")
    assert made == STEP
    assert (type(made.level), type(made.facts)) == (Level, dict)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"level": "middle"}, "file.level: 'middle' is not one of low, high"),
        ({"said": "a"}, "file.said: 'a' is not list"),
        ({"said": [1]}, "file.said.0: 1 is not str"),
        ({"facts": []}, r"file.facts: \[\] is not dict"),
        ({"more": 1}, "file: a Step has no more"),
    ],
)
def test_what_differs_is_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(LabError, match=f"^{said}$"):
        build(Step, ROW | changes, "file")


def test_a_key_that_may_stand_beside_is_left_out() -> None:
    assert build(Step, ROW | {"more": 1}, "file", also={"more"}) == STEP
    with pytest.raises(LabError, match="needs at, facts, level, said"):
        build(Step, {"more": 1}, "file", also={"more"})
