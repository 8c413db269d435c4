"""The quiz: twelve questions with typed answers; what is right is data, so that a notebook can be made of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from inf2lab.checks import check, wrap
from inf2lab.grading.points import Given, Point, judged

QUIZ = "quiz"


@dataclass(frozen=True)
class Question:
    """One question; its answer is a letter or letters of `choices`, a number (`within` so much), or a text."""

    ask: str
    answer: str | int
    why: str
    taught: str  # the notebook that answers it
    choices: Mapping[str, str] = field(default_factory=dict)
    within: float = 0.0

    @property
    def form(self) -> str:
        """What a reader is to type."""
        if isinstance(self.answer, int):
            return "a number"
        if not self.choices:
            return "a text, in quotes"
        return "one letter, in quotes" if len(self.answer) == 1 else f"{len(self.answer)} letters, in quotes"

    def accepts(self, typed: Any) -> bool:
        """Return whether an answer is right; case and blanks do not count, and a number may come as text."""
        if isinstance(self.answer, int):
            return abs(float(typed) - self.answer) <= self.within
        return "".join(str(typed).split()).casefold() == self.answer.casefold()


@cache
def questions() -> tuple[Question, ...]:
    """Return the questions, in their order."""
    return tuple(Question(**row) for row in _data()["questions"])


def needed() -> int:
    """Return how many right answers pass."""
    return _data()["needed"]


def judge(given: Given) -> Iterator[Point]:
    """Ask each question's answer, by the names q1, q2 and so on."""
    for number, question in enumerate(questions(), 1):
        test = partial(_right, given, f"q{number}", question)
        yield Point(f"question {number}", test, f"see notebook {question.taught}")


def _right(given: Given, name: str, question: Question) -> bool:
    return question.accepts(given[name])


def check_quiz(names: Mapping[str, Any]) -> None:
    """Print right or wrong for each answer, with the reason, and PASS or FAIL for all; raises CheckFailed."""
    results = list(judged(judge, names))
    for number, (question, result) in enumerate(zip(questions(), results, strict=True), 1):
        answered = names.get(f"q{number}", ...) is not ...
        said = "right" if result.holds else "wrong" if answered else "not answered"
        print(f"{number:2} {said}")
        if answered:
            right = "" if result.holds else f"It is {question.answer}. "
            print(wrap(f"{right}{question.why} (notebook {question.taught})", indent="   "))
    held = sum(result.holds for result in results)
    check(f"{held} of {len(results)} answers are right", held >= needed(), hint=f"{needed()} pass")


@cache
def _data() -> Any:
    return json.loads(Path(__file__).with_name("quiz.json").read_text(encoding="utf-8"))
