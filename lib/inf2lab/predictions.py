"""A reader's prediction beside what is true: folded until there is an answer, then open with both.

Plain HTML, so that it folds in JupyterLab, on GitHub and on a page of its own.
"""

import base64
import html
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from numbers import Real
from types import EllipsisType
from typing import Any

from inf2lab.language import translated_html
from inf2lab.words import as_html

FOLDED = "[folded: type your answer above, run both cells, or open it]"
CLOSED = "Answer (type yours above and run both cells, or open this)"
ROUNDING = 1e-9  # what arithmetic loses
_INSIDE = '<div style="margin:0.5em 0 0.5em 0.3em; padding-left:1em; border-left:3px solid #888">{}</div>'
_PART = '<div style="margin:0.5em 0">{}</div>'
_TEXT = (  # a page of a notebook else sets other letters, and breaks lines within words
    '<pre style="white-space:pre-wrap; word-break:normal; font-family:monospace; margin:0.5em 0">{}</pre>'
)


class Prediction:
    """What Jupyter shows below a prediction; an answer that still is `...` leaves it folded."""

    def __init__(self, answer: Any, truth: Any, shown: Iterable[Any] = (), *, why: str = "", within: float = 0) -> None:
        self.answer, self.truth, self.shown, self.why, self.within = answer, truth, tuple(shown), why, within

    @property
    def answered(self) -> bool:
        """Whether the reader typed something, or a part of what was asked."""
        parts = self.answer.values() if isinstance(self.answer, dict) and self.answer else [self.answer]
        return any(part is not ... for part in parts)

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return is_same(self.answer, self.truth, within=self.within)

    def __repr__(self) -> str:
        if not self.answered:
            return FOLDED
        return "\n".join(filter(None, [*self._judged(), self.why, *map(_as_text, self.shown)]))

    def _repr_html_(self) -> str:
        """Return it folded or open; this is what Jupyter asks for."""
        lines = list(self._judged() if self.answered else self._told())
        title = self._headline(lines) if self.answered else CLOSED
        texts = (_PART.format(as_html(line)) for line in filter(None, [*lines, self.why]))
        inside = _INSIDE.format("".join([*texts, *map(_as_html, self.shown)]))
        folded = f"<details{' open' * self.answered}><summary>{html.escape(title)}</summary>{inside}</details>"
        return translated_html(folded)

    @staticmethod
    def _headline(lines: list[str]) -> str:
        """Take the only line as the title; several are counted."""
        if len(lines) == 1:
            return lines.pop()
        return f"{sum(line.startswith('✓') for line in lines)} of {len(lines)} right"

    def _told(self) -> Iterator[str]:
        for name, truth, _ in self._parts():
            yield f"{name}It is {said(truth)}."

    def _judged(self) -> Iterator[str]:
        for name, truth, answer in self._parts():
            sign = "✓" if is_same(answer, truth, within=self.within) else "✗"
            yield f"{sign} {name}You said {said(answer)}. It is {said(truth)}."

    def _parts(self) -> Iterator[tuple[str, Any, Any]]:
        """Each question with its truth and its answer; there is one, or one a key."""
        if not isinstance(self.truth, Mapping):
            yield "", self.truth, self.answer
            return
        answers = self.answer if isinstance(self.answer, dict) else dict.fromkeys(self.truth, self.answer)
        for key, truth in self.truth.items():
            yield f"{key}: ", truth, answers.get(key, ...)


def reveal(answer: Any, truth: Any, *shown: Any, why: str = "", within: float = 0) -> Prediction:
    """Compare a reader's answer with the truth and show both, with what explains it.

    `shown` are texts, pictures and tables. `within` is how far a number may be off, as a share of it. A set is compared
    without order, a dict key by key. No answer raises: whatever is not the truth is wrong.
    """
    return Prediction(answer, truth, shown, why=why, within=within)


def is_same(answer: Any, truth: Any, *, within: float = 0) -> bool:
    """Whether an answer is the truth: numbers within a share, texts without case and blanks, collections by item."""
    match truth:
        case bool():
            return answer is truth
        case str():
            return isinstance(answer, str) and _bare(answer) == _bare(truth)
        case Real():
            return isinstance(answer, Real) and not isinstance(answer, bool) and _is_near(answer, truth, within)
        case Mapping():
            return isinstance(answer, Mapping) and all(
                key in answer and is_same(answer[key], value, within=within) for key, value in truth.items()
            )
        case Set():
            return isinstance(answer, Set | list | tuple | range) and _is_same_set(answer, truth, within)
        case list() | tuple() | range():
            return isinstance(answer, list | tuple | range) and _is_same_row(answer, truth, within)
    return isinstance(answer, type(truth) | str) and _bare(str(answer)) == _bare(str(truth))


def _is_near(answer: Any, truth: Any, within: float) -> bool:
    try:
        one, other = float(answer), float(truth)
    except OverflowError:  # a whole number may be larger than any float
        return bool(answer == truth)
    return math.isclose(one, other, rel_tol=max(within, ROUNDING)) or (math.isnan(one) and math.isnan(other))


def _is_same_set(answer: Collection[Any], truth: Collection[Any], within: float) -> bool:
    """Whether each has its like in the other; what is typed twice counts once."""
    return all(any(is_same(one, other, within=within) for one in answer) for other in truth) and all(
        any(is_same(one, other, within=within) for other in truth) for one in answer
    )


def _is_same_row(answer: Sequence[Any], truth: Sequence[Any], within: float) -> bool:
    return len(answer) == len(truth) and all(
        is_same(one, other, within=within) for one, other in zip(answer, truth, strict=True)
    )


def _bare(text: str) -> str:
    return "".join(text.split()).casefold()


def said(value: Any) -> str:
    """Return an answer or a truth as it stands in a sentence; a set in the same order each time."""
    match value:
        case EllipsisType():
            return "nothing"
        case str():
            return value
        case float():
            return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
        case Set():
            return ", ".join(sorted(map(_item, value), key=lambda item: (len(item), item)))  # 6 before 12
        case list() | tuple() | range():
            return ", ".join(map(_item, value))
        case Mapping():
            return "; ".join(f"{_item(key)}: {_item(one)}" for key, one in value.items())
    return _item(value)


def _item(value: Any) -> str:
    if isinstance(value, str | float):
        return said(value)
    try:
        return repr(value)
    except Exception:  # a reader may type anything, and some things cannot be printed
        return f"a {type(value).__name__}"


def _as_text(shown: Any) -> str:
    return shown if isinstance(shown, str) else repr(shown)


def _as_html(shown: Any) -> str:
    if hasattr(shown, "to_png"):
        data = base64.b64encode(shown.to_png()).decode("ascii")
        look = f'alt="{html.escape(shown.alt)}" width="{shown.width_px}" style="max-width:100%; height:auto"'
        return _PART.format(f'<img {look} src="data:image/png;base64,{data}">')
    if hasattr(shown, "_repr_html_"):
        return _PART.format(shown._repr_html_())
    return _TEXT.format(html.escape(_as_text(shown)))
