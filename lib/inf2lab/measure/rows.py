"""Samples read: what each request was answered with, how many tokens that is, and when they came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from inf2lab.measure.client import Sample
from inf2lab.measure.target import Request, Target
from inf2lab.shapes import read_answer

UNREADABLE = "unreadable"  # 200, and a body that is not of the endpoint's kind


@dataclass(frozen=True)
class Row:
    """One request in plain numbers; seconds from the start of the load, None for what was not measured."""

    number: int
    due_s: float
    sent_s: float
    ended_s: float
    status: str
    prompt_tokens: int | None
    output_tokens: int | None
    first_s: float | None
    gaps_s: tuple[float, ...]

    @property
    def ok(self) -> bool:
        """Whether it was answered with 200 and a body of its kind."""
        return self.status == "200"

    @property
    def latency_s(self) -> float:
        """From when it was due (in a closed loop: sent) to the last byte."""
        return self.ended_s - self.due_s


def rows_of(target: Target, requests: Sequence[Request], samples: Iterable[Sample]) -> tuple[Row, ...]:
    """Return the samples read: texts, tokens, first piece and the gaps between pieces."""
    rows, texts = [], []
    for sample in samples:
        request, status = requests[sample.number % len(requests)], sample.status
        lines = _lines(sample.pieces)
        answer = None
        if status == "200":
            answer = read_answer(target.shape, sample.body, [line for _, line in lines])
            status = UNREADABLE if answer is None else status
        times = _token_times(target, lines) if answer is not None else []
        rows.append((sample, status, request, times))
        texts.append(answer if target.shape.texts or target.shape.streams else None)
    counts = _count(target, [row[2] for row in rows], texts)
    return tuple(
        Row(
            number=sample.number,
            due_s=sample.due,
            sent_s=sample.sent,
            ended_s=sample.ended,
            status=status,
            prompt_tokens=sum(request.prompt_tokens) if request.prompt_tokens else None,
            output_tokens=tokens,
            first_s=times[0] - sample.due if len(times) > 1 else None,  # one piece is no stream
            gaps_s=tuple(later - earlier for earlier, later in pairwise(times)),
        )
        for (sample, status, request, times), tokens in zip(rows, counts, strict=True)
    )


def _count(target: Target, requests: Sequence[Request], texts: Sequence[list[str] | None]) -> list[int | None]:
    """Output tokens of each answer by the model's tokenizer; a text that repeats its prompt is counted without it."""
    if target.tokens is None:
        return [None] * len(texts)
    flat = [text for answer in texts for text in answer or []]
    counts = iter(target.tokens.count(flat))
    found: list[int | None] = []
    for request, answer in zip(requests, texts, strict=True):
        if answer is None:
            found.append(None)
            continue
        total = 0
        for row, text in enumerate(answer):
            total += next(counts)
            if request.prompt_tokens and row < len(request.prompts) and text.startswith(request.prompts[row]):
                total -= request.prompt_tokens[row]
        found.append(total)
    return found


def _lines(pieces: Sequence[tuple[float, bytes]]) -> list[tuple[float, str]]:
    """The lines of a stream, each with the time at which its end came."""
    lines, rest, at = [], b"", 0.0
    for at, piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        lines += [(at, line) for line in whole]
    lines.append((at, rest))
    return [(time, line.decode(errors="replace").strip()) for time, line in lines if line.strip()]


def _token_times(target: Target, lines: Sequence[tuple[float, str]]) -> list[float]:
    piece = target.shape.piece
    return [time for time, line in lines if piece is not None and piece(line)]
