"""Server state files: how a notebook finds the server that another notebook started, and never a wrong process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from inf2lab import paths
from inf2lab.files import write_file


@dataclass(frozen=True)
class ServerState:
    """What is needed to find a server again. `created` tells its process from a later one with the same id.

    A container has its own id instead, and 0 for both. No option that may hold a secret is written down.
    """

    pid: int
    created: float
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
    image: str = ""
    network: str = "bridge"

    @property
    def path(self) -> Path:
        """The state file of a server on this port."""
        return state_path(self.port)

    def process(self) -> psutil.Process | None:
        """Return the process if it is still the same one and runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
            return process if same else None
        except psutil.Error:
            return None

    def write(self) -> None:
        """Write the state file, whole or not at all."""
        write_file(self.path, json.dumps(asdict(self), indent=2) + "\n")

    def remove(self) -> None:
        """Delete the state file if it is still this server's."""
        if read_state(self.path) == self:
            self.path.unlink(missing_ok=True)


def state_path(port: int) -> Path:
    """Return the state file of a server on `port`."""
    return paths.logs() / "state" / f"server-{port}.json"


def read_state(path: Path) -> ServerState | None:
    """Return what a state file says, or None where there is none or it is not ours."""
    try:
        return ServerState(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def all_states() -> list[ServerState]:
    """Return every state on record, by port; files that nobody can read any more are removed."""
    states = []
    for path in (paths.logs() / "state").glob("server-*.json"):
        state = read_state(path)
        if state is None:
            path.unlink(missing_ok=True)
        else:
            states.append(state)
    return sorted(states, key=lambda state: state.port)
