"""Runs on record: which run id was used in which region, written before anything is created, with no secret in it.

A run's id is in the name and in a tag of everything that the run creates.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from inf2lab import paths, records
from inf2lab.aws.connection import Cloud
from inf2lab.aws.moments import NEVER, Moment
from inf2lab.errors import LabError
from inf2lab.files import write_file

PREFIX = "inf2lab-"  # of every name
RUN_TAG, DEADLINE_TAG, STATUS_TAG = "inf2lab:run", "inf2lab:deadline", "inf2lab:status"
_MOMENTS = ("launched", "deadline", "swept")
REHEARSED_RUN = "rehearsal"  # the run id of a request that is never sent


@dataclass(frozen=True)
class Run:
    """One launch; `swept` is when a sweep proved that nothing is left. Id and region name one that is not on record.

    One without a region has a record that cannot be read any more: its file's name is all that is known of it.
    """

    id: str
    region: str
    instance: str = ""
    launched: Moment = NEVER
    deadline: Moment = NEVER
    instance_id: str = ""
    volumes: tuple[str, ...] = ()
    swept: Moment | None = None
    bucket: str = ""  # of a SageMaker run, where its copy of the model folder lies
    kept: str = ""  # of an instance, the bucket that takes weights and compiled programs for the next one

    @property
    def path(self) -> Path:
        """Its file under logs/cloud."""
        return _folder() / f"{self.id}.json"

    @property
    def on_record(self) -> bool:
        """Whether its record is here and tells of it."""
        return bool(self.region) and self.path.exists()

    def write(self) -> Run:
        """Write the record, whole or not at all, and return it."""
        write_file(self.path, json.dumps(asdict(self), indent=2, default=str) + "\n")
        return self

    def with_(self, **changes: Any) -> Run:
        """Return the record with changes, written."""
        return replace(self, **changes).write()


def new_run_id(cloud: Cloud) -> str:
    """Return a name for a run: when, and four random letters; always the same one where nothing is sent."""
    return f"{cloud.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}" if cloud.live else REHEARSED_RUN


def name_of(run: str, part: str = "") -> str:
    """Return the name of what a run creates, or of the `part` that tells several apart."""
    return "-".join(filter(None, (f"{PREFIX}{run}", part)))


def tags_of(run: str, deadline: Moment | None = None) -> list[dict[str, str]]:
    """Return the tags of what a run creates; the instance's own script reads the deadline from its tag."""
    tags = {"Name": name_of(run), RUN_TAG: run} | ({DEADLINE_TAG: str(deadline)} if deadline else {})
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def all_runs() -> list[Run]:
    """Return every run on record, the oldest first; of a file that cannot be read its name, which is the run's id.

    Raises LabError where the folder cannot be looked into: it may hold runs that bill.
    """
    try:
        names = [path.stem for path in _folder().iterdir() if path.suffix == ".json"]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LabError(
            f"{_folder()}: the records of runs cannot be looked at ({error.strerror}), and one of them may bill: "
            "make the folder readable"
        ) from error
    return sorted((run_on_record(name) or Run(name, "") for name in names), key=lambda run: run.launched)


def open_runs() -> list[Run]:
    """Return the runs that no sweep has proved gone."""
    return [run for run in all_runs() if not run.swept]


def run_on_record(name: str) -> Run | None:
    """Return the run of this id; None where there is no record of it, or none that can be read."""
    try:
        told = json.loads((_folder() / f"{name}.json").read_text())
        told |= {name: Moment.fromisoformat(told[name]) for name in _MOMENTS if told.get(name)}
        run: Run = records.build(Run, told, name, also=told)
        _ = [moment - NEVER for moment in (run.launched, run.deadline, run.swept or NEVER)]  # each with its time zone
    except (LabError, OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return run if run.id == name and run.region else None


def _folder() -> Path:
    return paths.logs() / "cloud"
