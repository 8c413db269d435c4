"""What is asked of an answer: claims, each with the hint for who missed it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inf2lab.errors import LabError


class Unanswered(LabError):
    """A name of the exercise that the reader has not filled in."""


@dataclass(frozen=True)
class Point:
    """One claim about a reader's answer, how it is tested, and what helps if it fails."""

    claim: str
    test: Callable[[], bool]
    hint: str


@dataclass(frozen=True)
class Result:
    """A claim that was tested."""

    claim: str
    holds: bool
    hint: str


class Given(Mapping[str, Any]):
    """The names that a reader's cells left; one that is missing, or still `...`, raises Unanswered."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Any:
        value = self._names.get(name, ...)
        if value is ...:
            raise Unanswered(f"`{name}` is not answered yet: write it in place of the three dots")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


Judge = Callable[[Given], Iterator[Point]]


def judged(judge: Judge, names: Mapping[str, Any]) -> Iterator[Result]:
    """Test a judge's claims one after the other; whatever a reader's value raises is a claim that fails."""
    for point in judge(Given(names)):
        hint = point.hint
        try:
            holds = bool(point.test())
        except Unanswered as error:
            holds, hint = False, str(error)
        except (Exception, SystemExit) as error:  # of a reader's own function, or of a value of another kind
            holds, hint = False, f"{hint} (it raised {type(error).__name__}: {error})"
        yield Result(point.claim, holds, hint)


def matched(given: Given, name: str, truth: Mapping[Any, str], hints: Mapping[Any, str]) -> Iterator[Point]:
    """Ask that a dictionary of letters pairs each key with its own; case and blanks do not count."""
    for key, letter in truth.items():

        def test(key: Any = key, letter: str = letter) -> bool:
            found = given[name].get(key, ...)
            if found is ...:
                raise Unanswered(f"`{name}[{key!r}]` is not answered yet: write a letter in place of the three dots")
            return str(found).strip().casefold() == letter

        yield Point(f"{name} {key} is read rightly", test, hints[key])
