"""Words that many sentences need."""

import pytest

from inf2lab.words import as_html, plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_count_and_its_noun(count: int, text: str) -> None:
    assert plural(count, "row") == text


def test_what_stands_between_backquotes_is_code_on_a_page() -> None:
    """A table that shows the signs themselves looks unfinished."""
    assert as_html("write `a < b`, not `c`; one ` alone") == (
        "write <code>a &lt; b</code>, not <code>c</code>; one ` alone"
    )
