"""inf2lab.predictions: folded until the reader answers, then open with both; nothing that is typed raises."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from inf2lab import reveal
from inf2lab.predictions import FOLDED, is_same


class Drawn:
    """What is asked of a picture."""

    alt = 'a ring of "12" devices'
    width_px = 864

    def to_png(self) -> bytes:
        return b"\x89PNG"


class Table:
    """Anything that shows itself as HTML."""

    def _repr_html_(self) -> str:
        return "<table><tr><td>2 copies</td></tr></table>"


class Unprintable:
    """What a reader's cell may leave behind: it cannot be printed, nor compared."""

    def __repr__(self) -> str:
        raise ValueError

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


def test_without_an_answer_it_is_folded_and_its_text_gives_nothing_away() -> None:
    made = reveal(..., 12, "degree 2 has 12 copies", Drawn(), why="24 cores, two a copy.")
    html = made._repr_html_()
    assert repr(made) == FOLDED
    assert html.startswith("<details><summary>Answer")
    assert "It is 12." in html
    assert "24 cores, two a copy." in html
    assert "You said" not in html


def test_an_answer_opens_it_and_stands_beside_the_truth() -> None:
    wrong, right = reveal(3, 2, "the log", why="Rule 1."), reveal(2, 2)
    assert wrong._repr_html_().startswith("<details open><summary>✗ You said 3. It is 2.</summary>")
    assert repr(wrong) == "✗ You said 3. It is 2.\nRule 1.\nthe log"
    assert not wrong.right
    assert right._repr_html_().startswith("<details open><summary>✓ You said 2. It is 2.</summary>")
    assert right.right


def test_what_is_shown_stands_inside_escaped() -> None:
    html = reveal(..., "<b>", "a < b\n  & c", Table(), Drawn(), why="1 < 2")._repr_html_()
    inside = html[html.index("</summary>") : html.rindex("</details>")]
    for text in ("&lt;b&gt;", "a &lt; b\n  &amp; c</pre>", "<td>2 copies</td>", "1 &lt; 2", "base64,iVBORw=="[:7]):
        assert text in inside
    assert '<img alt="a ring of &quot;12&quot; devices"' in inside
    assert "<b>" not in reveal("<b>", 1)._repr_html_()


def test_it_uses_what_github_and_jupyterlab_leave_in_a_page() -> None:
    html = reveal(..., 1, "text", Table(), Drawn(), why="so")._repr_html_()
    assert set(re.findall(r"<(\w+)", html)) <= {"details", "summary", "div", "pre", "img", "table", "tr", "td"}
    assert "color:" not in html.replace("border-left:3px solid #888", "")


def test_a_dict_is_compared_key_by_key_and_counted() -> None:
    truth = {"degrees": {1, 2}, "copies": 12, "fits": False}
    made = reveal({"degrees": [2, 1], "copies": 3}, truth)
    assert repr(made).splitlines() == [
        "✓ degrees: You said 2, 1. It is 1, 2.",
        "✗ copies: You said 3. It is 12.",
        "✗ fits: You said nothing. It is False.",
    ]
    assert "<summary>1 of 3 right</summary>" in made._repr_html_()
    assert not made.right


@pytest.mark.parametrize("answer", [..., {"a": ...}, {"a": ..., "b": ...}])
def test_an_answer_of_ellipses_is_none(answer: Any) -> None:
    assert repr(reveal(answer, {"a": 1, "b": 2})) == FOLDED


@pytest.mark.parametrize("answer", [None, 0, "", [], {}, False, {"a": ..., "b": 1}])
def test_whatever_else_is_typed_is_an_answer(answer: Any) -> None:
    assert repr(reveal(answer, {"a": 1, "b": 2})) != FOLDED


SAME: list[tuple[Any, Any, float]] = [
    (2, 2, 0),
    (2.0, 2, 0),
    (Fraction(1, 2), 0.5, 0),
    (0.1 + 0.2, 0.3, 0),
    (110, 100, 0.1),
    (math.nan, math.nan, 0),
    (math.inf, math.inf, 0),
    (10**400, 10**400, 0),
    (True, True, 0),
    ("Does  NOT fit", "does not fit", 0),
    ({4, 2}, {2, 4}, 0),
    ([4, 2, 2], {2, 4}, 0),
    (range(1, 3), [1, 2], 0),
    ((1, "A"), [1, "a"], 0),
    ({"a": 1, "more": 2}, {"a": 1}, 0),
    ({"a": {"b": [1.05]}}, {"a": {"b": [1]}}, 0.1),
    ([], [], 0),
    (None, None, 0),
]
OTHER: list[tuple[Any, Any, float]] = [
    (3, 2, 0),
    (1, True, 0),
    (0, False, 0),
    (True, 1, 0),
    (False, 0.0, 0),
    ("2", 2, 0),
    (2, "2", 0),
    (2j, 2, 0),
    (math.nan, 2, 1),
    (2, math.nan, 1),
    (math.inf, -math.inf, 0.5),
    (10**400, 2, 0.5),
    (2, 10**400, 0.5),
    (10**400, 10**400 + 1, 0),
    (120, 100, 0.1),
    ({2}, {2, 4}, 0),
    ({2, 4, 6}, {2, 4}, 0),
    ([], {2}, 0),
    ([2, 1], [1, 2], 0),
    ([1], [1, 2], 0),
    ([[1]], [1], 0),
    ({1, 2}, [1, 2], 0),
    ("12", ["1", "2"], 0),
    ({"b": 1}, {"a": 1}, 0),
    ([("a", 1)], {"a": 1}, 0),
    (None, 0, 0),
    (..., 0, 0),
]


@pytest.mark.parametrize(("answer", "truth", "within"), SAME)
def test_the_same(answer: Any, truth: Any, within: float) -> None:
    assert is_same(answer, truth, within=within)


@pytest.mark.parametrize(("answer", "truth", "within"), OTHER)
def test_not_the_same(answer: Any, truth: Any, within: float) -> None:
    assert not is_same(answer, truth, within=within)


def typed() -> Iterator[Any]:
    """What a reader may leave in `answer`, one within another too."""
    ring: list[Any] = [1]
    ring.append(ring)
    plain = [
        *(answer for answer, _, _ in SAME + OTHER),
        Unprintable(),
        ring,
        10**5000,
        "\ud800",
        b"2",
        len,
        int,
        {2: 3},
    ]
    for value in plain:
        yield from (value, [value], {"a": value}, (value, value))


@pytest.mark.parametrize("truth", [truth for _, truth, _ in SAME], ids=repr)
def test_nothing_that_is_typed_raises(truth: Any) -> None:
    for answer in typed():
        made = reveal(answer, truth, why="so")
        assert "so" in repr(made) or repr(made) == FOLDED
        assert made._repr_html_().startswith("<details")
        assert isinstance(made.right, bool)


def test_a_set_is_said_in_one_order() -> None:
    assert "It is a, b, c." in reveal(..., {"c", "a", "b"})._repr_html_()
    assert "It is 0.3333." in reveal(..., 1 / 3)._repr_html_()
    assert "It is 25165824000." in reveal(..., 2.5165824e10)._repr_html_()


def test_a_table_keeps_its_columns_and_its_words_whole_on_every_page() -> None:
    shown = reveal(..., 1, "p50   p90\n 12   417")._repr_html_()
    (style,) = re.findall(r'<pre style="([^"]*)">p50   p90', shown)
    assert "font-family:monospace" in style
    assert "word-break:normal" in style


def test_what_stands_between_backquotes_is_code() -> None:
    shown = reveal(..., 4, why="a colon is as good as `=`; 1 < 2")._repr_html_()
    assert "a colon is as good as <code>=</code>; 1 &lt; 2" in shown
