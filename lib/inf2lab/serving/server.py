"""`Server`: start or find the server of the chosen lane, without the caller having to know which kind it is."""

from pathlib import Path

from inf2lab import paths
from inf2lab.errors import LabError, ServerError
from inf2lab.files import remove_leftovers
from inf2lab.folder import Migrated, ModelFolder
from inf2lab.serving import docker, ports, processes
from inf2lab.serving.container import ContainerServer
from inf2lab.serving.distribution import DistributionServer
from inf2lab.serving.interface import ModelServer
from inf2lab.serving.rehearsal import RehearsalServer
from inf2lab.serving.state import ServerState, all_states, read_state, state_path
from inf2lab.serving.successor import SuccessorServer
from inf2lab.serving.vllm import VllmServer
from inf2lab.settings import Settings
from inf2lab.words import Report

_HERE: dict[str, type[ModelServer]] = {"rehearsal": RehearsalServer, "djl": DistributionServer, "vllm": VllmServer}


class Server:
    """How a notebook gets a server: `Server.start(settings)`, `Server.running(settings)`, `Server.of(settings)`."""

    @staticmethod
    def of(settings: Settings, folder: Path | str | None = None, *, server: str = "rehearsal") -> ModelServer:
        """Return the lane's server for a model folder, default models/<model_name>; nothing is started.

        `server` "djl" is a real DJLServing on this machine's processor, "vllm" the real vLLM, which alone serves a
        folder that `inf2lab migrate` wrote; raises ServerError for any other name. On an instance it always is the
        real one, of the profile or of the migrated folder.
        """
        path = paths.real(folder) if folder else paths.models() / settings.model_name
        if server not in _HERE:
            raise ServerError(f"server {server!r}: use one of {', '.join(_HERE)}")
        migrated = Migrated.is_in(path)
        if settings.lane == "inf2":
            return (SuccessorServer if migrated else ContainerServer)(settings, ModelFolder(path))
        return _HERE["vllm" if migrated else server](settings, ModelFolder(path))

    @staticmethod
    def start(
        settings: Settings,
        folder: Path | str | None = None,
        *,
        wait: bool = True,
        report: Report = print,
        server: str = "rehearsal",
    ) -> ModelServer:
        """Start a server and, unless `wait` is False, wait until the model answers; raises LabError.

        A server of this clone that already runs on the port is stopped first. `server` as for `Server.of`.
        """
        made = Server.of(settings, folder, server=server)
        made.check()
        with ports.held(settings.port, report):  # else two at once would each end the other's, or both start
            recorded = on_record(settings.port)
            if recorded:
                recorded.stop()
            made.start(report)
        if wait:
            made.wait_ready(report=report)
        return made

    @staticmethod
    def running(settings: Settings) -> ModelServer:
        """Return the server that another notebook or command started on the port; raises ServerError if none runs."""
        server = on_record(settings.port)
        if server is None and settings.lane == "inf2":
            server = Server.of(settings)  # a person may have typed the command
        if server is None or not server.exists():
            raise ServerError(
                f"no server of this lab runs on port {settings.port}: "
                "run notebook 05 first, or `inf2lab serve models/opt13b` in a terminal"
            )
        return server


def on_record(port: int) -> ModelServer | None:
    """Return the server of either lane that was started on a port, running or not; None where none is on record."""
    state = read_state(state_path(port))
    return _from_state(state) if state else None


def all_servers() -> list[ModelServer]:
    """Return every server on record, by port, running or not."""
    return [server for state in all_states() if (server := _from_state(state))]


def stop_everything(*, patience_s: float = 10) -> int:
    """Stop every server of this clone and what a killed one left behind; returns how many of both were running.

    Raises LabError, once all is done that can be, for what could not be.
    """
    ended, refused = 0, list[LabError]()
    for server in all_servers():
        try:
            ended += server.stop(patience_s=patience_s)
        except LabError as error:  # the others are stopped all the same
            refused.append(error)
    ended += sum(docker.remove(container, patience_s=patience_s) for container in docker.list_owned(processes.owner()))
    ended += len(processes.end_orphans([], patience_s))
    processes.remove_old_scratch()
    remove_leftovers(paths.logs() / "state")
    if refused:
        raise refused[0]
    return ended


def left_over() -> list[str]:
    """Return a line for each process and container of this clone's servers that is still there."""
    containers = docker.list_owned(processes.owner())
    return [
        *(f"process {process.pid}: {process.name()}" for process in processes.ours()),
        *(f"container {container[:12]}" for container in containers),
    ]


def _from_state(state: ServerState) -> ModelServer | None:
    """Return the server that a state file tells of; None, without the file, where the catalog has lost its profile."""
    try:
        return Server.of(state.settings(), state.folder, server=state.server)
    except LabError:  # its process still has the mark, its container the label
        state.remove()
        return None
