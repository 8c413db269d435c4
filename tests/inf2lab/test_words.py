"""Words that many sentences need."""

import pytest

from inf2lab.words import plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_count_and_its_noun(count: int, text: str) -> None:
    assert plural(count, "row") == text
