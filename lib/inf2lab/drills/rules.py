"""What is sought in a log: the drills' lines and the catalog's rows, as one kind of rule, found by their words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from inf2lab import catalog
from inf2lab.drills.drill import Drill
from inf2lab.drills.keys import keys_of, split
from inf2lab.drills.registry import DRILLS

COMPONENT = "What can be caused here"
_CONTEXT = re.compile(r"[A-Za-z_]{4,}")


@dataclass(frozen=True)
class Rule:
    """A known failure: `pattern` finds its line; `before`, if any, must be found in the lines that came before it."""

    name: str
    title: str
    component: str
    level: str  # cause, consequence, wrapper or harmless
    cause: str
    fix: str
    pattern: str
    before: str = ""
    replaces: tuple[str, ...] = ()  # rules that say less of the same line
    drill: bool = False

    @property
    def keys(self) -> list[tuple[bytes, ...]]:
        """For each alternative of the pattern the words of a matching line; none if there are none: never found."""
        found = [words for part in split(self.pattern) for words in keys_of(part)]
        return [tuple(word.encode() for word in words) for words in dict.fromkeys(found)]

    @property
    def context(self) -> list[str]:
        """The words of the lines that `before` needs."""
        return _CONTEXT.findall(self.before)


@cache
def by_name() -> Mapping[str, Rule]:
    """Return the rules of all drills, and of the catalog's rows; a row with a drill's name is one with that."""
    return {rule.name: rule for rule in _all()}


@cache
def by_word() -> Mapping[bytes, list[tuple[Rule, tuple[bytes, ...]]]]:
    """Return for a word the rules of which one alternative has it, and the words that such a line has besides."""
    found: dict[bytes, list[tuple[Rule, tuple[bytes, ...]]]] = {}
    for rule in by_name().values():
        for first, *others in rule.keys:
            found.setdefault(first, []).append((rule, tuple(others)))
    return found


@cache
def by_context() -> Mapping[bytes, str]:
    """Return the words of lines that some rule wants above its own."""
    return {word.encode(): word for rule in by_name().values() for word in rule.context}


def _all() -> Iterator[Rule]:
    for drill in DRILLS.values():
        yield _of_drill(drill)
    for row in catalog.troubles().values():
        if row.pattern and row.id not in DRILLS:
            yield Rule(
                row.id, row.symptom, row.component, row.level, row.cause, row.fix, row.pattern, row.before, row.replaces
            )


def _of_drill(drill: Drill) -> Rule:
    pattern = drill.line or drill.log or drill.answer
    if not drill.before and "(?s:" not in drill.answer:
        pattern = f"{pattern}|{drill.answer}"  # what a terminal showed
    row = catalog.troubles().get(drill.name)
    if row and not row.before:
        pattern = f"{pattern}|{row.pattern}"
    covers = tuple(name for name in drill.covers if name != drill.name)
    return Rule(
        drill.name, drill.title, COMPONENT, "cause", drill.cause, drill.fix, pattern, drill.before, covers, drill=True
    )
