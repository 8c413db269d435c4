"""What a proof leaves: one file that says step by step what was asked, seen and found, and nothing about who asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from inf2lab import paths, records
from inf2lab.errors import LabError
from inf2lab.files import write_file
from inf2lab.prove.scrubber import Scrubber

SCHEMA = 1  # of the file; a reader refuses another
VERSIONS = ("driver", "runtime")  # facts that are versions
SHOWN_LINES = 40  # of what a step printed: its last ones

Facts = dict[str, Any]  # what a step found or what was predicted of it, by name with its unit


class Outcome(StrEnum):
    """What became of a step: `failed` shows that its claim does not hold, `stopped` shows nothing."""

    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"
    NOT_REACHED = "not reached"


@dataclass(frozen=True)
class Shown:
    """One step: what it asks, what came of it and why, what was found beside what was predicted, and the raw lines."""

    step: str
    asks: str
    outcome: Outcome
    said: str = ""
    seconds: int = 0
    found: Facts | None = None
    predicted: Facts | None = None
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """One proof: the day, what was proved on what, its steps, and what it took."""

    date: str
    profile: str
    instance: str
    region: str
    model: str
    image: str
    machine_image: str
    minutes: int
    usd: float
    steps: tuple[Shown, ...]
    schema: int = SCHEMA

    @property
    def stopped_at(self) -> Shown | None:
        """The first step that did not pass, if there is one."""
        return next((shown for shown in self.steps if shown.outcome is not Outcome.PASSED), None)

    @property
    def complete(self) -> bool:
        """Whether every step passed."""
        return self.stopped_at is None

    @property
    def versions(self) -> frozenset[str]:
        """The versions that its steps have found: four numbers with dots, as an address is."""
        found = (shown.found or {} for shown in self.steps)
        return frozenset(str(facts[name]) for facts in found for name in VERSIONS if name in facts)

    @property
    def name(self) -> str:
        """The stem of its file."""
        return f"{self.date}-{self.profile}-{self.instance}"

    def __str__(self) -> str:
        lines = [
            f"{self.profile} on {self.instance} in {self.region}, {self.date}: {self.minutes} min, {self.usd:.2f} USD"
        ]
        for shown in self.steps:
            found = ", ".join(f"{name} {value}" for name, value in (shown.found or {}).items())
            lines.append(f"  {shown.outcome:11} {shown.asks}{f': {found}' if found else ''}")
            if shown.said:
                lines.append(f"              {shown.said}")
        return "\n".join(lines)


def evidence_folder() -> Path:
    """Return where evidence lies that was committed: docs/evidence of the clone."""
    return paths.root() / "docs" / "evidence"


def write_evidence(evidence: Evidence, folder: Path, known: Iterable[str] = ()) -> Path:
    """Write the file, without whatever names somebody or something of theirs, and return its path.

    `known` are words that must not be in it, whatever they look like: the account, ids, secrets.
    """
    clean = Scrubber.of(known, kept=evidence.versions).scrub(asdict(evidence))
    text = json.dumps(clean, indent=2, ensure_ascii=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    taken = {path.stem for path in folder.glob("*.json")}
    name = next(name for name in _names(evidence.name) if name not in taken)
    write_file(folder / f"{name}.json", text)
    return folder / f"{name}.json"


def read_evidence(path: Path) -> Evidence:
    """Return what a file says; raises LabError for one that is none, or of another schema."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise LabError(f"{path.name}: schema {data['schema']}, and this release reads {SCHEMA}: prove again")
        return records.build(Evidence, data, path.name, also=data)
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{path.name} is no evidence ({type(error).__name__}: {error}): `inf2lab prove` writes it"
        ) from error


def all_evidence(folder: Path) -> dict[str, Evidence]:
    """Return every file of a folder by its name, the oldest first; raises LabError for one that is no evidence."""
    found = {path.name: read_evidence(path) for path in sorted(folder.glob("*.json"))}
    return dict(sorted(found.items(), key=lambda pair: (pair[1].date, pair[0])))


def _names(stem: str) -> Iterable[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in range(2, 1000))
