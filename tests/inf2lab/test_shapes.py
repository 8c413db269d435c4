"""inf2lab.shapes: an answer of another shape gives no texts."""

from __future__ import annotations

import pytest

from inf2lab.shapes import SHAPES, read_answer


@pytest.mark.parametrize("name", ["article", "builtin", "openai", "openai-chat"])
def test_an_error_s_body_is_no_answer(name: str) -> None:
    """The keys of DJLServing's error were taken for the texts of two prompts."""
    assert read_answer(SHAPES[name], b'{"code": 424, "error": "RuntimeError"}') is None


def test_the_built_in_handler_s_list_is_read_with_and_without_its_key() -> None:
    assert read_answer(SHAPES["builtin"], b'[{"generated_text": "a"}, "b"]') == ["a", "b"]
