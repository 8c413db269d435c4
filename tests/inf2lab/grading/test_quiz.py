"""The quiz in a reader's kernel: a line and a reason for each answer, and nothing of what was not answered."""

from __future__ import annotations

from typing import Any

import pytest

from inf2lab.checks import CheckFailed
from inf2lab.grading import check_exercise, check_quiz, needed, questions


def right() -> dict[str, Any]:
    return {f"q{number}": one.answer for number, one in enumerate(questions(), 1)}


def test_all_right_passes_with_every_reason(capsys: pytest.CaptureFixture[str]) -> None:
    check_quiz(right())
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.endswith("PASS 12 of 12 answers are right")
    assert all(" ".join(one.why.split()) in printed for one in questions())


def test_as_many_as_are_needed_pass_and_one_less_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    answers = right() | {f"q{number}": "wrong" for number in range(1, 13 - needed())}
    check_quiz(answers)
    with pytest.raises(CheckFailed, match=f"{needed() - 1} of 12"):
        check_quiz(answers | {"q12": "wrong"})
    assert "It is b." in capsys.readouterr().out


def test_nothing_is_given_away_before_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed):
        check_quiz({f"q{number}": ... for number in range(1, 13)})
    printed = capsys.readouterr().out
    assert printed.count("not answered") == 12
    assert not [one.why for one in questions() if one.why[:30] in printed]


def test_an_exercise_stops_at_the_first_claim_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed, match="three dots"):
        check_exercise("05_serve", {"cause": {1: "d", 2: ...}})
    assert capsys.readouterr().out.count("PASS") == 1
