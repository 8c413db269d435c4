"""Exercises and quiz: what is asked of an answer, for the reader's own cell and for `inf2lab grade`."""

from typing import TYPE_CHECKING

from inf2lab.faces import on_demand

if TYPE_CHECKING:
    from inf2lab.grading.cells import digest
    from inf2lab.grading.exercises import EXERCISES, check_exercise
    from inf2lab.grading.grader import NOT_BEGUN, NOT_PASSED, PASSED, SECONDS, Graded, Seat, grade
    from inf2lab.grading.quiz import QUIZ, check_quiz, needed, questions

__all__ = [
    "EXERCISES",
    "NOT_BEGUN",
    "NOT_PASSED",
    "PASSED",
    "QUIZ",
    "SECONDS",
    "Graded",
    "Seat",
    "check_exercise",
    "check_quiz",
    "digest",
    "grade",
    "needed",
    "questions",
]

# A reader's cell asks one judge, and needs none of what grades a class.
__getattr__ = on_demand(__name__)
