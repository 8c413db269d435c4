"""The low-level parser: Java's rules, with the line of every key."""

from __future__ import annotations

import javaproperties
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inf2lab.folder.properties import parse_properties


def read(text: str) -> list[tuple[str, str, int, int]]:
    return [(e.key, e.value, e.line, e.last) for e in parse_properties(text).entries]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\n\n# c\nb : 2\n", [("a", "1", 1, 1), ("b", "2", 4, 4)]),
        ("a=1\\\n   2\nb=3", [("a", "12", 1, 2), ("b", "3", 3, 3)]),
        ("a=1\r\nb=2\r\n", [("a", "1", 1, 1), ("b", "2", 2, 2)]),
        ("a=1\rb=2", [("a", "1", 1, 1), ("b", "2", 2, 2)]),
        ("# c \\\na=1\n", [("a", "1", 2, 2)]),
        ("  key\n", [("key", "", 1, 1)]),
        ("a\\ b=c\n", [("a b", "c", 1, 1)]),
        ("a=\\u0041 \n", [("a", "A ", 1, 1)]),
        ("", []),
    ],
)
def test_keys_values_and_lines(text: str, expected: list[tuple[str, str, int, int]]) -> None:
    assert read(text) == expected


def test_the_last_of_two_keys_counts() -> None:
    properties = parse_properties("a=1\nb=2\na=3\n")
    assert properties.last("a").line == 3
    assert [e.line for e in properties.effective()] == [2, 3]
    assert properties.last("x", "b").value == "2"
    assert properties.last("x") is None


def test_a_refused_escape_is_named_and_the_rest_is_still_read() -> None:
    properties = parse_properties("a=\\uZZZZ\n# \\u is fine here\nb=1\nc=\\\\users\n")
    assert properties.bad_escapes == (1,)
    assert properties.last("b").value == "1"
    assert properties.last("c").value == "\\users"


@pytest.mark.parametrize(
    ("line", "edit"),
    [
        ("  option.dtype : fp16", "  option.dtype : f16"),
        ("option.dtype=fp16", "option.dtype=f16"),
        ("option.dtype fp16", "option.dtype f16"),
        ("option.dtype", "option.dtype=f16"),
    ],
)
def test_an_edit_keeps_blanks_and_separator(line: str, edit: str) -> None:
    (entry,) = parse_properties(line).entries
    assert entry.with_value("f16").text == (edit,)


@pytest.mark.parametrize(
    ("value", "number"),
    [("2", 2), (" 7", 7), ("-1", -1), ("2147483648", None), ("1_000", None), ("", None), ("9" * 5000, None)],
)
def test_numbers_are_javas(value: str, number: int | None) -> None:
    assert parse_properties(f"a={value}").entries[0].number == number


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=300))
def test_what_java_accepts_is_read_as_java_reads_it(text: str) -> None:
    try:
        expected = javaproperties.loads(text)
    except javaproperties.InvalidUEscapeError:
        assert parse_properties(text).bad_escapes
        return
    properties = parse_properties(text)
    assert properties.bad_escapes == ()
    assert {entry.key: entry.value for entry in properties.entries} == expected
    lines = [entry.line for entry in properties.entries]
    assert lines == sorted(lines)
    assert all(1 <= entry.line <= entry.last <= len(properties.lines) for entry in properties.entries)
