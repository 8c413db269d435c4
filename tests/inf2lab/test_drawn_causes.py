"""The tree of symptoms says what `explain` says, and the clock of the batches is played, not drawn by hand."""

from __future__ import annotations

import re

import pytest

from inf2lab import drills
from inf2lab.pictures.batches_in_time import ARRIVED, PLAYED, TOKENS
from inf2lab.pictures.symptom_tree import TREE

LEAVES = {words: cause for leaves in TREE.values() for words, cause in leaves}
# The drill that a leaf is about; the first branch is about a server that says nothing.
CAUSED_BY = {
    "Allocation Failure": "out-of-device-memory",
    "KeyError: 'dtype' or 'fp16'": "dtype-of-the-library",
    "heads cannot be divided": "heads-not-divisible",
    "No module named 'djl_python...'": "entry-point-of-another-release",
    "TimeoutException": "load-timeout",
    "404": "wrong-name-in-the-url",
    "204": "body-taken-for-a-form",
    "424, KeyError: 'seq_length'": "wrong-schema",
    "424 without words, StopIteration": "n-positions-too-small",
    "424, IndexError: index out of range": "prompt-beyond-the-model",
    "503, queue capacity exceeded": "queue-full",
    "503, TimeoutException": "predict-timeout",
}


def test_every_leaf_is_a_failure_that_can_be_caused() -> None:
    first, *_ = TREE.values()
    assert set(CAUSED_BY) == set(LEAVES) - {words for words, _ in first}


@pytest.mark.parametrize("words", CAUSED_BY)
def test_its_words_are_those_that_were_recorded(words: str) -> None:
    seen = drills.seen()[CAUSED_BY[words]]
    recorded = "\n".join((*seen.terminal, seen.line)).casefold()
    for piece in re.split(r", | or | without words", words.replace("...'", "").casefold()):
        assert piece in recorded or piece == "'fp16'" or piece == "without words"


def test_a_batch_makes_each_text_and_no_two_share_a_row() -> None:
    for way, shares in PLAYED.items():
        assert [share.ended - share.began for share in shares] == list(TOKENS)
        assert [share.came for share in shares] == list(ARRIVED)
        assert all(share.came <= share.began < share.ended <= share.free for share in shares)
        rows = 1 if way == "alone" else 2
        for step in range(max(share.free for share in shares)):
            assert sum(share.began <= step < share.free for share in shares) <= rows


def test_a_batch_ends_earlier_and_a_rolling_one_earlier_still() -> None:
    alone, together, rolling = (max(share.free for share in shares) for shares in PLAYED.values())
    assert alone == sum(TOKENS)
    assert alone > together > rolling
    assert not any(share.free > share.ended for share in PLAYED["rolling"])
