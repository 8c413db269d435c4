"""The inf2 lane: DJLServing's container on an instance, started, waited for, looked at and stopped through Docker."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from inf2lab import catalog
from inf2lab.errors import EndpointError, EngineError
from inf2lab.folder import ModelFolder
from inf2lab.serving import docker, host, log, ports
from inf2lab.serving.docker_line import Line
from inf2lab.serving.docker_run import RunLine
from inf2lab.serving.image import pinned, pull_image
from inf2lab.serving.interface import ModelServer, ServerStatus, State, Worker, workers_of
from inf2lab.serving.state import ServerState, all_states, read_state, state_path
from inf2lab.settings import Settings
from inf2lab.words import Report

# Asks the management address from inside the container; python3 runs the worker, so every image has it.
_ASK = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=5).read().decode())"


class ContainerServer(ModelServer):
    """A container of DJLServing's inf2 image that outlives the notebook which started it."""

    poll_s = 0.5  # each look is three runs of `docker`

    def __init__(self, settings: Settings, folder: ModelFolder, *, first_device: int | None = None) -> None:
        super().__init__(settings, folder)
        self.first_device = first_device if first_device is not None else settings.first_device or None

    @property
    def container(self) -> str:
        """The container's name."""
        return self.line.name

    @property
    def workers(self) -> int:
        """Copies that DJLServing starts: one for each group of the devices' cores."""
        return self.needs.workers

    @property
    def image(self) -> str:
        """The image: the one that was asked for, else its own, by digest once it was pulled here: a tag can move."""
        return self.settings.image or pinned(self.own_image)

    @property
    def own_image(self) -> str:
        """The image where none is asked for: the profile's."""
        return self.settings.stack.image

    def command(self) -> list[str]:
        """Return the `docker run` line: contiguous devices, read-only model, loopback port, the profile's time-outs."""
        return self.line.words()

    def typed(self) -> str:
        """Return the command as a person would type it in the repository's folder, one option a line."""
        return self.line.typed()

    def check(self) -> None:
        """Raise LabError if the folder cannot be served on this machine; nothing is started or stopped."""
        super().check()
        self.line.words()  # the degree, and words that are none
        host.check_devices(self.line)
        host.check_readable(self.folder)

    def start(self, report: Report) -> None:
        """Pull the image if it is not here, and run it; returns once the container runs. Raises LabError.

        Devices, port and folders are looked at first: Docker would say it later, and worse.
        """
        self.check()
        host.free_name(self.line.name)
        for port in self.line.host_ports:
            ports.claim(port)
        self.pull(report)
        self.clear_logs()  # files of another user would stop the log
        host.make_writable(self.line.written)
        report(self.typed())
        name = self.line.name
        try:
            identity = docker.run_docker(*self.command()[1:], what=f"docker run {name}").split()[-1]
        except EngineError:
            docker.remove(name, patience_s=0)  # Docker leaves what it could not start
            raise
        state = ServerState.of(self.settings, self.folder, pid=None, created=None, scratch="", container=identity)
        state.write()

    def pull(self, report: Report) -> None:
        """Pull the image if it is not here, and keep to its digest from then on; raises EngineError."""
        pull_image(self.settings.image or self.own_image, report, pin=not self.settings.image)

    def exists(self) -> bool:
        """Return whether the container runs."""
        try:
            seen = docker.find(self._identity())
        except EngineError:
            return False
        return seen is not None and seen.running

    def status(self) -> ServerStatus:
        """Return its state from Docker, the port and the log."""
        try:
            seen = docker.find(self._identity())
            if seen is None:
                return ServerStatus(State.STOPPED, f"there is no container {self.container}")
            workers = self._answers() if seen.running else None
            docker.save_log(seen.id, self.log_path)  # after the answer: the last steps come with it
        except EngineError as error:
            return ServerStatus(State.STOPPED, str(error))
        if not seen.running and seen.state != "created":
            return ServerStatus(State.FAILED, self._cause(seen))
        if workers is not None:
            return self._ready(workers)
        return ServerStatus(State.LOADING, log.last_line(self.log_path) or "the container has started")

    def stop(self, *, patience_s: float = 10) -> bool:
        """Stop and remove the container; returns whether it was running. Image and caches are kept."""
        state = self._state()
        seen = docker.find(self._identity())
        running = False
        if seen and (state or seen.is_ours):
            if seen.running:
                docker.save_log(seen.id, self.log_path)
            running = docker.remove(seen.id, patience_s=patience_s)
            _forget(seen.id)
        if state:
            state.remove()
        return running

    def waiter(self) -> subprocess.Popen[bytes]:
        """Return a process that ends when the container does."""
        return docker.waiter(self._identity())

    def logs(self, lines: int = 20) -> list[str]:
        """Return the last lines of what the container printed; those of its last look once it is gone."""
        self.status()
        return super().logs(lines)

    def follow(self, lines: int = 20) -> Iterator[str]:
        """Yield the last lines that the container printed and then each new one, until it is stopped."""
        return docker.follow(self._identity(), lines)

    def describe(self) -> dict[str, Any]:
        """Return what the server says of the model, asked inside the container; raises EndpointError."""
        _, management = self._run_line().addresses
        address = f"{management}/models/{self.folder.name}"
        try:
            words = ("exec", self._identity(), "python3", "-c", _ASK, address)
            return json.loads(docker.run_docker(*words, what="docker exec"))[0]["models"][0]
        except (EngineError, ValueError, LookupError, TypeError) as error:
            raise EndpointError(0, "nothing", f"no description of {self.folder.name}: {error}") from error

    def _answers(self) -> tuple[Worker, ...] | None:
        """Return the workers once the port is open: DJLServing opens it when its models are loaded."""
        try:
            if not self.endpoint.ping().ok:
                return None
            return workers_of(self.describe())
        except EndpointError:
            return None

    @property
    def line(self) -> Line:
        """The command that starts it, in its parts."""
        return self._run_line()

    def _run_line(self) -> RunLine:
        return RunLine(self.settings, self.folder, self.log_folder, self.image, self.first_device)

    def _state(self) -> ServerState | None:
        state = read_state(state_path(self.settings.port))
        return state if state and state.container and state.folder == str(self.folder.path) else None

    def _identity(self) -> str:
        """The container's id where this clone started it, else its name: a person may have typed the command."""
        state = self._state()
        return state.container if state else self.line.name

    def _cause(self, seen: docker.Container) -> str:
        if seen.out_of_memory:
            trouble = catalog.trouble("host-memory")
            return f"the kernel killed it. {trouble.cause} {trouble.fix}"
        cause = log.cause_of_failure(self.log_path) or f"it ended with code {seen.exit_code} and printed nothing"
        row = catalog.recognise(cause)
        return f"{cause} - {row.cause} {row.fix}" if row else cause


def stop_labelled(label: str) -> list[str]:
    """Stop and remove the containers with a label (`name=value`); returns the names of those that were running.

    Raises EngineError.
    """
    ended = []
    for identity in docker.list_labelled(label):
        seen = docker.find(identity)
        if seen and docker.remove(identity, patience_s=1):
            ended.append(seen.name)
        _forget(identity)
    return ended


def _forget(container: str) -> None:
    """Remove what is on record of a container that is gone, on whichever port it was."""
    for state in all_states():
        if state.container == container:
            state.remove()
