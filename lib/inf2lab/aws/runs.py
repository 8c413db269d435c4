"""Runs on record: which run id was used in which region, written before anything is created, with no secret in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from inf2lab import paths
from inf2lab.aws.instance import LaunchRequest, stamp
from inf2lab.files import write_file


@dataclass(frozen=True)
class Run:
    """One launch on record; `swept` is when a sweep proved that nothing is left, or empty."""

    id: str
    region: str
    instance: str
    launched: str
    deadline: str
    instance_id: str = ""
    volumes: tuple[str, ...] = ()
    swept: str = ""
    bucket: str = ""  # of a SageMaker run, where its copy of the model folder lies

    @property
    def path(self) -> Path:
        """Its file under logs/cloud."""
        return _folder() / f"{self.id}.json"

    def write(self) -> Run:
        """Write the record, whole or not at all, and return it."""
        write_file(self.path, json.dumps(asdict(self), indent=2) + "\n")
        return self

    def with_(self, **changes: Any) -> Run:
        """Return the record with changes, written."""
        return replace(self, **changes).write()


def begin(request: LaunchRequest, now: datetime) -> Run:
    """Write and return the record of a launch that is about to begin."""
    return Run(request.run, request.region, request.instance, stamp(now), stamp(request.deadline)).write()


def all_runs() -> list[Run]:
    """Return every run on record, the oldest first; a file that nobody can read is left alone and left out."""
    return sorted(filter(None, map(_read, _folder().glob("*.json"))), key=lambda run: run.launched)


def open_runs() -> list[Run]:
    """Return the runs that no sweep has proved gone."""
    return [run for run in all_runs() if not run.swept]


def run_on_record(name: str) -> Run | None:
    """Return the run of this id, or None."""
    return _read(_folder() / f"{name}.json")


def _folder() -> Path:
    return paths.logs() / "cloud"


def _read(path: Path) -> Run | None:
    try:
        data = json.loads(path.read_text())
        known = {field.name for field in fields(Run)}
        run = Run(**{name: value for name, value in data.items() if name in known})
        return replace(run, volumes=tuple(run.volumes))
    except (OSError, ValueError, TypeError, AttributeError):
        return None
