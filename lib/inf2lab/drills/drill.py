"""What a drill is: a server's folder, something that goes wrong with it, and what is written about that."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inf2lab.errors import LabError

if TYPE_CHECKING:
    from inf2lab.drills.act import Site
    from inf2lab.endpoint import Answer
    from inf2lab.serving import ModelServer

PATIENCE_S = 60  # for what a server does next, on a machine with much else to do


class Unavailable(LabError):
    """This machine cannot cause the failure; the message says what it lacks."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A model folder to serve; drills that share one share a server. Texts become files, paths are copied."""

    properties: Mapping[str, object]
    handler: str | None = None
    profile: str = "djl-0.25"
    instance: str = "inf2.48xlarge"
    weights: tuple[str, ...] = ()  # files of models/tiny-opt for the folder `weights` inside
    shell: str = ""  # runs before the worker, in a mount namespace of its own: for full and read-only disks


@dataclass(frozen=True)
class Sighting:
    """What a failure looks like: what the person's terminal shows, and the lines the server's log gained."""

    answer: str
    log: str = ""


@dataclass(frozen=True)
class Drill:
    """One failure as data. `answer` and `log` are patterns for what it looks like; no `log`: the log says nothing."""

    name: str
    title: str
    how: str
    answer: str
    cause: str
    fix: str
    chip: str
    scene: Scene
    act: Callable[[Site], Sighting]
    log: str = ""
    line: str = ""  # finds it in a log, on one line, where `log` and `answer` span several
    before: str = ""  # what must stand above that line
    covers: tuple[str, ...] = ()  # rows of the catalog's troubles that this drill causes


@dataclass(frozen=True)
class Result:
    """A drill that was run: what was seen, what of it was expected and not seen, or why it could not be run."""

    drill: Drill
    sighting: Sighting = field(default_factory=lambda: Sighting(""))
    missing: tuple[str, ...] = ()  # patterns that were not found
    unavailable: str = ""
    seconds: float = 0

    @property
    def ok(self) -> bool:
        """Whether the failure happened just as it is written."""
        return not self.missing and not self.unavailable

    @property
    def verdict(self) -> str:
        """PASS, FAIL or SKIP."""
        return "PASS" if self.ok else "SKIP" if self.unavailable else "FAIL"

    @property
    def line(self) -> str:
        """The line that names the failure, of the log or else of the terminal; empty if it was not seen."""
        spots = spots_of(self.drill, self.sighting.log if self.drill.log else self.sighting.answer)
        return spots[0].line if spots else ""


@dataclass(frozen=True)
class Spot:
    """Where a pattern was found in a text."""

    line_number: int
    line: str


def spots_of(drill: Drill, text: str) -> list[Spot]:
    """Return where a drill's failure shows in a text, by line; none where it does not."""
    by_log = spots(drill.log, text, last_line=True) if drill.log else []
    return by_log or spots(drill.answer, text, last_line=False)


def spots(pattern: str, text: str, *, last_line: bool) -> list[Spot]:
    """Return each place of a pattern; one that spans lines stands for its last line, or for its first."""
    found = []
    for match in re.finditer(pattern, text, re.MULTILINE):
        at = max(match.end() - 1, match.start()) if last_line else match.start()
        start = text.rfind("\n", 0, at) + 1
        found.append(Spot(text.count("\n", 0, start) + 1, text[start:].split("\n", 1)[0].strip()))
    return found


def terminal(error: LabError) -> str:
    """Return what a person reads in a notebook when an error of the lab is raised."""
    return f"{type(error).__name__}: {error}"


def curl(answer: Answer) -> str:
    """Return an answer as `curl -i` prints it, without the headers."""
    return f"HTTP/1.1 {answer.status} {answer.reason}\n\n{answer.text}".rstrip()


def log_until(server: ModelServer, until: str) -> str:
    """Return a server's log, once it has a line with the pattern `until`; raises LabError."""
    return server.log_since(0, until)
