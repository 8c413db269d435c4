"""A row is what its class says, or an error names the file, the row and the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from inf2lab.catalog import facts
from inf2lab.catalog.rows import build
from inf2lab.errors import LabError


@dataclass(frozen=True)
class Part:
    name: str
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Thing:
    usd: float
    counted: bool
    span: tuple[int, int]
    parts: Mapping[str, Part]
    note: str | None
    rest: Any


ROW = {"usd": 1, "counted": True, "span": [1, 2], "parts": {"a": {"sizes": [3]}}, "note": None, "rest": [{"any": 1}]}


def test_a_row_becomes_its_class_and_a_key_the_first_field() -> None:
    made = build(Thing, ROW | {"source": "a page", "checked": "2026-11-22"}, "things.one")
    assert made == Thing(1, True, (1, 2), {"a": Part("a", (3,))}, None, [{"any": 1}])


def test_a_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        build(Thing, ROW, "things.one").parts["b"] = Part("b")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"usd": "1"}, "things.one.usd: '1' is not float"),
        ({"usd": True}, "things.one.usd: True is not float"),
        ({"counted": 1}, "things.one.counted: 1 is not bool"),
        ({"span": [1, 2, 3]}, r"things.one.span: \[1, 2, 3\] is not a list of 2"),
        ({"span": [1, 2.5]}, "things.one.span.1: 2.5 is not int"),
        ({"note": 1}, "things.one.note: 1 is not str"),
        ({"parts": ["a"]}, r"things.one.parts: \['a'\] is not dict"),
        ({"parts": {"a": "b"}}, "things.one.parts.a: 'b' is not dict"),
        ({"parts": {"a": {"sizes": 3}}}, "things.one.parts.a.sizes: 3 is not list"),
        ({"parts": {"a": {"size": 3}}}, "things.one.parts.a: a Part has no size"),
    ],
)
def test_what_differs_is_named_with_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(LabError, match=f"^catalog, {said}$"):
        build(Thing, ROW | changes, "things.one")


def test_what_is_missing_is_named_at_once() -> None:
    with pytest.raises(LabError, match=r"^catalog, weights\.x: a PackagedWeights needs disk_mb, download_mb, file, "):
        build(facts.PackagedWeights, {"model_id": "x"}, "weights.x")
