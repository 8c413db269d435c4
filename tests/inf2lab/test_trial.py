"""A handler tried without a chip, and a reader's functions put into it: broken work is seen, and so is whose it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from inf2lab.trial import BEGIN, PAD, try_handler
from inf2lab.written import WORKED, YOURS, put_in

HANDLER = '''
import torch
from djl_python import Input, Output

model = tokenizer = batch_size = None


def handle(inputs: Input):
    prompts = inputs.get_as_json()["text"]
    check_prompts(prompts, batch_size)
    ids, start_ids = fill_up([tokenizer.encode(text) for text in prompts], tokenizer.pad_token_id)
    with torch.inference_mode():
        texts = model.sample(torch.as_tensor(ids), sequence_length=64, start_ids=torch.as_tensor(start_ids))
    return Output().add_as_json({"outputs": [tokenizer.decode(row) for row in texts]})


def fill_up(rows, blank):
    """Worked."""
    longest = max(map(len, rows))
    start_ids = [longest - len(row) for row in rows]
    return [[blank] * start + row for start, row in zip(start_ids, rows)], start_ids


def check_prompts(prompts, rows):
    """Worked."""
    if not isinstance(prompts, list) or len(prompts) != rows:
        raise ValueError("wanted %d" % rows)
'''


@pytest.fixture
def handler(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text(HANDLER)
    return path


def test_it_says_what_the_library_would_be_given(handler: Path) -> None:
    trial = try_handler(handler, ["one two three", "four"], batch_size=2)
    assert (trial.rows, trial.start_ids) == ([[BEGIN, 101, 102, 103], [PAD, PAD, BEGIN, 104]], [0, 2])
    assert not trial.error


@pytest.mark.parametrize("text", [["one"], ["one", "two", "three"], "ab", None], ids=str)
def test_a_refusal_comes_before_the_library_is_asked(handler: Path, text: object) -> None:
    trial = try_handler(handler, text, batch_size=2)
    assert (trial.error, trial.asked) == ("ValueError: wanted 2", False)


def fill_up(rows, blank):  # type: ignore[no-untyped-def]
    """Fill up on the right, which is wrong."""
    longest = max(map(len, rows))
    return [row + [blank] * (longest - len(row)) for row in rows], [0] * len(rows)


def check_prompts(prompts, batch_size):  # type: ignore[no-untyped-def]
    """Not written."""


def test_what_a_reader_wrote_takes_the_place_of_the_worked_solution_and_what_is_empty_does_not(handler: Path) -> None:
    assert put_in(handler, fill_up, check_prompts) == {"fill_up": YOURS, "check_prompts": WORKED}
    trial = try_handler(handler, ["one two three", "four"], batch_size=2)
    assert (trial.rows[1], trial.start_ids) == ([BEGIN, 104, PAD, PAD], [0, 0])
    assert try_handler(handler, ["one"], batch_size=2).error == "ValueError: wanted 2"
    assert handler.read_text().count("def fill_up") == 1
    assert put_in(handler, fill_up)["fill_up"] == YOURS
