"""Server state files: how a notebook finds the server that another notebook started, and never a wrong process."""

import datetime
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from inf2lab import paths, records
from inf2lab.errors import LabError, ServerError
from inf2lab.files import write_file
from inf2lab.folder import ModelFolder
from inf2lab.serving import processes
from inf2lab.settings import Settings

_SETTINGS = ("lane", "profile", "instance", "port", "copies", "first_device", "machine", "image", "network")


@dataclass(frozen=True)
class ServerState:
    """What is needed to find a server again: its process or its container.

    `birth` tells a process from a later one with the same id, and where the system names none, `created`. No option
    that may hold a secret is written down.
    """

    pid: int | None  # None: it is a container
    created: float | None
    port: int
    lane: str
    profile: str
    instance: str
    folder: str
    scratch: str
    started: str  # ISO time, for people
    server: str = "rehearsal"  # or djl, the real one
    container: str = ""  # id; empty for a process
    copies: int = 1
    first_device: int = 0
    machine: str = ""
    image: str = ""
    network: str = "bridge"
    birth: str = ""

    @classmethod
    def of(cls, settings: Settings, folder: ModelFolder, **identity: Any) -> Self:
        """Return the state of a server that has just been started; `identity` are the fields that tell it apart."""
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        stated = {name: getattr(settings, name) for name in _SETTINGS}
        return cls(folder=str(folder.path), started=started, **stated, **identity)

    def settings(self) -> Settings:
        """Return the parameters that the server was started with; raises SettingsError for a profile that is gone."""
        return Settings(**{name: getattr(self, name) for name in _SETTINGS})

    @property
    def path(self) -> Path:
        """The state file of a server on this port."""
        return state_path(self.port)

    def process(self) -> psutil.Process | None:
        """Return the process if it is still the same one and runs."""
        if self.pid is None or self.created is None:
            return None
        try:
            process = psutil.Process(self.pid)
            if self.birth:
                same = processes.birth(self.pid) == self.birth
            else:  # by a clock that may have been set since
                same = abs(process.create_time() - self.created) < 1 or processes.is_ours(process)
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def write(self) -> None:
        """Write the state file, whole or not at all."""
        write_file(self.path, json.dumps(asdict(self), indent=2) + "\n")

    def remove(self) -> None:
        """Delete the state file if it is still this server's; raises ServerError where that is refused."""
        try:
            if read_state(self.path) == self:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            reason = f"{paths.shown(self.path)} cannot be removed ({error.strerror})"
            raise ServerError(f"{reason}: make its folder writable, or set INF2LAB_LOGS to another") from error


def state_path(port: int) -> Path:
    """Return the state file of a server on `port`."""
    return paths.logs() / "state" / f"server-{port}.json"


def instance_path(settings: Settings) -> Path:
    """Return the file that stands for an instance of the rehearsal: its servers share the NeuronCores.

    One for each kind of instance in a clone; a `machine` is one more of that kind.
    """
    name = f"{settings.instance}-{settings.machine}" if settings.machine else settings.instance
    return paths.logs() / "state" / f"{name}.cores"


def read_state(path: Path) -> ServerState | None:
    """Return what a state file says, or None where there is none or it is not ours."""
    try:
        state = records.build(ServerState, json.loads(path.read_text(encoding="utf-8")), path.name)
        return state if _is_sound(state) and state.path.name == path.name else None
    except (LabError, OSError, ValueError, TypeError, RecursionError):
        return None


def all_states() -> list[ServerState]:
    """Return every state on record, by port; files that nobody can read any more are removed."""
    states = []
    for path in (paths.logs() / "state").glob("server-*.json"):
        state = read_state(path)
        if state is not None:
            states.append(state)
            continue
        with suppress(OSError):  # a folder of that name: it is nobody's state either
            path.unlink(missing_ok=True)
    return sorted(states, key=lambda state: state.port)


def _is_sound(state: ServerState) -> bool:
    """Whether the numbers are ones that a process and a port can have."""
    sizes = (1 if state.pid is None else state.pid, state.port, state.copies)
    return all(0 < size < 2**31 for size in sizes) and abs(state.created or 0) < 1e12 and "\0" not in state.folder
