"""From a log to a cause: which known failures a text shows, in the order in which to read them, and what to do."""

import io
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from inf2lab import paths
from inf2lab.checks import wrap
from inf2lab.drills.raised import last_raised
from inf2lab.drills.rules import Rule, by_context, by_name, by_word
from inf2lab.drills.spoken import ALWAYS, Hit, Log, readings, spoken

LEVELS = ("cause", "unknown", "consequence", "wrapper", "harmless")  # in the order in which they are told
ENOUGH = 1000  # times that a rule is found and counted
ASKED = 50  # times that it is asked what stands above a rule's line
KEPT = 400  # lines that are remembered, from a log's start and from its end
SHOWN = 400  # letters of a line


@dataclass(frozen=True)
class Match:
    """A known failure in a text: where it was seen first, and how often (counted up to a thousand)."""

    name: str
    title: str
    line_number: int
    line: str  # without what loggers put in front of it
    times: int
    cause: str
    fix: str
    drill: bool  # whether `inf2lab drill NAME` causes it here
    level: str
    component: str

    def __str__(self) -> str:
        """Title, line without its prefix, cause and fix, each on a line."""
        said = (wrap(line, indent="  ", hanging=" " * 7) for line in self._told())
        return "\n".join([self.title, wrap(self.line, indent="  "), *said])

    def unfolded(self) -> str:
        """The same for a terminal, which folds a line itself: a command in it is copied whole."""
        return "\n".join([self.title, wrap(self.line, indent="  "), *(f"  {line}" for line in self._told())])

    def _told(self) -> Iterator[str]:
        if self.level == "harmless":
            yield f"harmless: {self.cause}"
        else:
            yield from (f"cause: {self.cause}", f"fix:   {self.fix}")


@dataclass(frozen=True)
class Explanation:
    """What a log says, and how many lines it has. Harmless lines come last, and are no failure."""

    matches: tuple[Match, ...]
    lines: int

    @property
    def failed(self) -> bool:
        """Whether anything but harmless lines was found."""
        return any(match.level != "harmless" for match in self.matches)


class Reader:
    """Rules that were found so far, and the lines that may be needed to judge them."""

    def __init__(self) -> None:
        self.rules = by_name()
        self.found: dict[str, Match] = {}
        self.searches = 0  # of a pattern in a line: the expensive part
        self._seen: set[str] = set()  # words of what rules want above their line
        self._asked: Counter[str] = Counter()
        self._head: list[Hit] = []
        self._tail: deque[Hit] = deque(maxlen=KEPT)

    @property
    def words(self) -> set[bytes]:
        """Every word for which a line is looked at."""
        return {*by_context(), *by_word()}

    def read(self, hit: Hit) -> None:
        rules = {rule.name: rule for word in hit.words for rule in self._rules(word, hit.raw)}
        context = [by_context()[word] for word in hit.words if word in by_context()]
        self._seen.update(context)
        if rules or context or not ALWAYS.isdisjoint(hit.words):
            (self._head if len(self._head) < KEPT else self._tail).append(hit)
        lines = readings(hit.raw) if rules else []
        for rule in rules.values():
            self._try(rule, hit, lines)

    def _rules(self, word: bytes, line: bytes) -> Iterator[Rule]:
        """Yield the rules of a word whose other words are in the line too, if they are not counted out."""
        for rule, others in by_word().get(word, ()):
            known = self.found.get(rule.name)
            if all(other in line for other in others) and not (known and known.times >= ENOUGH):
                yield rule

    def kept(self) -> Iterator[tuple[int, str]]:
        """Yield number and text of the first and the last lines that were looked at."""
        for hit in (*self._head, *self._tail):
            for line in spoken(hit.raw):
                yield hit.number, line

    def _try(self, rule: Rule, hit: Hit, lines: list[str]) -> None:
        known = self.found.get(rule.name)
        self.searches += 1
        line = next((line for line in lines if re.search(rule.pattern, line)), None)
        if line is not None and (not rule.before or known or self._came_before(rule)):
            self.found[rule.name] = _match(rule, hit, line, known)

    def _came_before(self, rule: Rule) -> bool:
        """Whether what the rule wants stands above; asked of a few lines only, and where a word of it was seen."""
        self._asked[rule.name] += 1
        if self._asked[rule.name] > ASKED or self._seen.isdisjoint(rule.context):
            return False
        above = [line for _, line in self.kept() if not line.startswith("\tat ")]
        return bool(re.search(rule.before, "\n".join(above), re.MULTILINE))


def explain(text: str) -> list[Match]:
    """Return what is known of a server's log (or of what a terminal showed): causes first, harmless lines last."""
    return list(explain_log(io.BytesIO(text.encode())).matches)


def explain_log(stream: BinaryIO) -> Explanation:
    """Return what a log says; it is read once, from its start to its end, and never held as a whole."""
    reader = Reader()
    log = Log(stream, reader.words)
    for hit in log.hits():
        reader.read(hit)
    return Explanation(tuple(_told(reader)), log.lines)


def newest_log() -> Path | None:
    """Return the log of the server that this clone started last; None if there is none."""
    return max(paths.logs().glob("server-*/console.log"), key=lambda path: path.stat().st_mtime, default=None)


def _told(reader: Reader) -> list[Match]:
    """Return what is worth telling of what was found: no row beside one that says more, no wrapper beside a cause."""
    replaced = {name for found in reader.found for name in reader.rules[found].replaces}
    found = [match for name, match in reader.found.items() if name not in replaced]
    levels = {match.level for match in found}
    if "cause" not in levels and (unknown := _unknown(reader, found)):
        found.append(unknown)
    if {"cause", "consequence"} & levels or any(match.level == "unknown" for match in found):
        found = [match for match in found if match.level != "wrapper"]
    return sorted(found, key=lambda match: (LEVELS.index(match.level), match.line_number))


def _unknown(reader: Reader, found: list[Match]) -> Match | None:
    """Return what can be said of an exception that no row knows: who raised it, and where to look."""
    raised = last_raised(reader.kept())
    if raised is None or any(re.search(reader.rules[name].pattern, raised.line) for name in reader.found):
        return None
    wrappers = {match.name: match.title for match in found if match.level == "wrapper"}
    wrapper = next((wrappers[name] for name in reader.rules if name in wrappers), "An exception")
    title = f"{wrapper}: no row here knows these words"
    cause = f"Raised by {raised.who}."
    return Match(
        "unknown-exception", title, raised.number, _shown(raised.line), 1, cause, raised.look, False, "unknown", ""
    )


def _match(rule: Rule, hit: Hit, line: str, known: Match | None) -> Match:
    number, line = (known.line_number, known.line) if known else (hit.number, _shown(line, rule.pattern))
    times = hit.times + (known.times if known else 0)
    return Match(
        rule.name, rule.title, number, line, times, rule.cause, rule.fix, rule.drill, rule.level, rule.component
    )


def _shown(line: str, pattern: str = "") -> str:
    """Return a line, or of a long one the part around what was found in it."""
    line = line.strip()
    found = re.search(pattern, line)
    start = max(0, min(found.start() - 40, len(line) - SHOWN)) if found and len(line) > SHOWN else 0
    part = line[start : start + SHOWN]
    return ("... " if start else "") + part + (" ..." if start + SHOWN < len(line) else "")
