"""A shell script as commands: continuation lines joined, quotes followed over lines, each word with its place."""

import re
import shlex
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

_LONGEST = 200  # lines of one command; a quote that never closes is not followed further
_QUOTES, _BLANKS = re.compile(r"""[\\'"#]"""), re.compile("[ \t\r\n]+")
_SEPARATORS = {"&&", "||", ";", "|", "&"}


@dataclass(frozen=True)
class Place:
    """A line of a file, from 1 on."""

    file: str
    line: int


@dataclass(frozen=True)
class Words:
    """One command as words, from `line` of `file` on; `text` is its source."""

    file: str
    line: int
    words: tuple[str, ...]
    text: str

    def line_of(self, fragment: str) -> int:
        """The line on which `fragment` stands, or the command's first."""
        at = self.text.find(fragment) if self._ends else -1
        return self.line + (bisect_left(self._ends, at) if at > 0 else 0)

    def at(self, fragment: str) -> Place:
        """Where that is."""
        return Place(self.file, self.line_of(fragment))

    @cached_property
    def _ends(self) -> list[int]:
        """Where its lines end, but the last."""
        return [match.start() for match in re.finditer("\n", self.text)]


def shell_commands(file: str, text: str) -> tuple[Words, ...]:
    """The commands of a script: continuation lines joined, quotes followed over lines; never raises."""
    found, lines, at = [], text.splitlines(), 0
    while at < len(lines):
        words, taken = _command(lines, at)
        source = "\n".join(lines[at : at + taken])
        part: list[str] = []
        for word in [*words, ";"]:
            if word in _SEPARATORS:
                found += [Words(file, at + 1, tuple(part), source)] if part else []
                part = []
            else:
                part.append(word)
        at += taken
    return tuple(found)


def _command(lines: list[str], at: int) -> tuple[list[str], int]:
    text = ""
    for taken in range(1, min(_LONGEST, len(lines) - at) + 1):
        line = lines[at + taken - 1]
        if line.rstrip().endswith("\\") and "#" not in line:
            text += line.rstrip()[:-1] + " "
            continue
        text += line
        if not _QUOTES.search(text):  # as shlex has it, at once
            return [word for word in _BLANKS.split(text) if word], taken
        try:
            return shlex.split(text, comments=True), taken
        except ValueError:
            text += "\n"
    return [], 1
