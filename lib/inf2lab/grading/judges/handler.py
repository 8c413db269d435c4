"""Exercise 04: a handler that pads on the left, fills the batch, cuts the answer back, and refuses too much."""

import sys
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any

from inf2lab.grading.points import Given, Point
from inf2lab.trial import Answer, Request

ROWS = 4
PROMPTS = ["Hello", "Hello, I am a model", "Hi", "Good morning"]


class Program:
    """A compiled program: as strict as the chip, and what it was given is remembered."""

    def __init__(self) -> None:
        self.ids: list[list[int]] = []
        self.start_ids: list[int] = []

    def __call__(self, ids: Any, start_ids: Any) -> list[str]:
        self.ids, self.start_ids = [list(row) for row in ids], list(start_ids)
        if len(self.ids) != ROWS or len({len(row) for row in self.ids}) != 1 or len(self.start_ids) != ROWS:
            raise RuntimeError(f"compiled for {ROWS} rows of one length, each with a start")
        starts = zip(self.ids, self.start_ids, strict=True)
        return ["".join(chr(token) for token in row[start:] if token > 2).upper() for row, start in starts]


def run(text: str, prompts: list[str] | None) -> tuple[Any, Program]:
    """Call the `handle` of a model.py whose `model` is the strict program; return its answer and the program."""
    stand_in = ModuleType("djl_python")
    vars(stand_in).update(Input=Request, Output=Answer)
    before = sys.modules.get("djl_python")
    sys.modules["djl_python"] = stand_in
    try:
        names: dict[str, Any] = {"__name__": "model"}
        exec(compile(text, "model.py", "exec"), names)
        program = names["model"] = Program()
        answer = names["handle"](Request(None if prompts is None else {"text": prompts}))
    finally:
        del sys.modules["djl_python"]
        if before is not None:
            sys.modules["djl_python"] = before
    return (answer.value if isinstance(answer, Answer) else answer), program


def judge(given: Given) -> Iterator[Point]:
    """Ask for one, three and four prompts, for the padding, for a refusal, and for the empty call."""

    def answered(number: int) -> bool:
        prompts = PROMPTS[:number]
        return run(given["handler"], prompts)[0]["outputs"] == [text.upper() for text in prompts]

    def padding() -> bool:
        program = run(given["handler"], PROMPTS)[1]
        longest = max(len(text) for text in PROMPTS) + 1  # every text begins with one token of its own
        return program.start_ids == [longest - len(text) - 1 for text in PROMPTS] and all(
            row[start] == 2 for row, start in zip(program.ids, program.start_ids, strict=True)
        )

    def refused() -> bool:
        try:
            run(given["handler"], ["Hello"] * (ROWS + 1))
        except Exception as error:
            return not isinstance(error, KeyError | NameError)
        return False

    for number in (1, 3, 4):
        yield Point(
            f"{number} prompts, {number} texts, each its own",
            partial(answered, number),
            "fill up with empty prompts before the model is called; keep as many texts as prompts came",
        )
    yield Point("short prompts are padded on the left, and the model is told where each begins", padding, "`pad`")
    yield Point("more prompts than rows are refused", refused, "do not cut what a client asked for: raise an error")
    yield Point("the empty call is answered with None", lambda: run(given["handler"], None)[0] is None, "`is_empty`")
