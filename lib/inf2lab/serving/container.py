"""The inf2 lane: DJLServing's container on an instance, started, waited for, looked at and stopped through Docker."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inf2lab import catalog, paths
from inf2lab.errors import EndpointError, EngineError, FolderError, ServerError
from inf2lab.files import write_file
from inf2lab.folder import ModelFolder
from inf2lab.serving import docker, log, ports
from inf2lab.serving.docker_run import USER, RunLine
from inf2lab.serving.interface import ModelServer, Report, ServerStatus, Worker, workers_of
from inf2lab.serving.state import ServerState, all_states, read_state, state_path
from inf2lab.settings import Settings

# Asks the management address from inside the container; python3 runs the worker, so every image has it.
_ASK = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=5).read().decode())"
_DIGESTS = "image-digests.json"


class ContainerServer(ModelServer):
    """A container of DJLServing's inf2 image that outlives the notebook which started it."""

    poll_s = 0.5  # each look is three runs of `docker`

    def __init__(self, settings: Settings, folder: ModelFolder, *, first_device: int | None = None) -> None:
        super().__init__(settings, folder)
        self._first_device = first_device
        self._log_folder = paths.logs() / f"server-{settings.port}"

    @property
    def container(self) -> str:
        """The container's name."""
        return self._line.name

    @property
    def image(self) -> str:
        """The image: the one that was asked for, else the profile's, by digest once it was pulled here."""
        return self.settings.image or _known_digests().get(self.settings.stack.image, self.settings.stack.image)

    @property
    def log_path(self) -> Path:
        """What the container has printed, as of the last look at it."""
        return self._log_folder / "console.log"

    def command(self) -> list[str]:
        """Return the `docker run` line: contiguous devices, read-only model, loopback port, the profile's time-outs."""
        return self._line.words()

    def typed(self) -> str:
        """Return the command as a person would type it in the repository's folder, one option a line."""
        return self._line.typed()

    def check(self) -> None:
        """Raise LabError if the folder cannot be served on this machine; nothing is started or stopped."""
        super().check()
        self._line.words()  # the degree, and words that are none
        self._check_devices()
        self._check_readable()

    def start(self, report: Report) -> None:
        """Pull the image if it is not here, and run it; returns once the container runs. Raises LabError.

        Devices, port and folders are looked at first: Docker would say it later, and worse.
        """
        self.check()
        self._check_name()
        for port in self._ports():
            ports.claim(port)
        self.pull(report)
        self._make_folders()
        report(self.typed())
        name = self._line.name
        try:
            identity = docker.docker(*self.command()[1:], what=f"docker run {name}").split()[-1]
        except EngineError:
            docker.remove(name, patience_s=0)  # Docker leaves what it could not start
            raise
        self._write_state(identity)

    def pull(self, report: Report) -> None:
        """Pull the image if it is not here, and keep to its digest from then on; raises EngineError."""
        if not docker.has_image(self.image):
            report(f"pulling {self.image}: minutes the first time, and kept afterwards")
            docker.pull(self.image, report)
            self._remember_digest(report)

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
                return ServerStatus("stopped", f"there is no container {self.container}")
            workers = self._answers() if seen.running else None
            docker.save_log(seen.id, self.log_path)  # after the answer: the last steps come with it
        except EngineError as error:
            return ServerStatus("stopped", str(error))
        if not seen.running and seen.state != "created":
            return ServerStatus("failed", self._cause(seen))
        if workers is not None:
            return ServerStatus("ready", f"{self.folder.name} answers at {self.url}", workers)
        return ServerStatus("loading", log.last_line(self.log_path) or "the container has started")

    def stop(self, *, patience_s: float = 10) -> bool:
        """Stop and remove the container; returns whether it was running. Image and caches are kept."""
        state = self._state()
        seen = docker.find(self._identity())
        running = False
        if seen and (state or seen.owner == str(paths.logs())):
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
        _, management = self._line.addresses
        address = f"{management}/models/{self.folder.name}"
        try:
            words = ("exec", self._identity(), "python3", "-c", _ASK, address)
            return json.loads(docker.docker(*words, what="docker exec"))[0]["models"][0]
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
    def _line(self) -> RunLine:
        return RunLine(self.settings, self.folder, self._log_folder, self.image, self._first_device)

    def _state(self) -> ServerState | None:
        state = read_state(state_path(self.settings.port))
        return state if state and state.container and state.folder == str(self.folder.path) else None

    def _identity(self) -> str:
        """The container's id where this clone started it, else its name: a person may have typed the command."""
        state = self._state()
        return state.container if state else self._line.name

    def _ports(self) -> list[int]:
        _, management = self._line.addresses
        host = self.settings.network == "host"
        return [self.settings.port, *([int(management.rpartition(":")[2])] if host else [])]

    def _cause(self, seen: docker.Container) -> str:
        if seen.out_of_memory:
            row = catalog.trouble("host-memory")
            return f"the kernel killed it. {row.cause} {row.fix}"
        cause = log.cause_of_failure(self.log_path) or f"it ended with code {seen.exit_code} and printed nothing"
        row = catalog.recognise(cause)
        return f"{cause} - {row.cause} {row.fix}" if row else cause

    def _check_devices(self) -> None:
        wanted = self._line.devices
        missing = [path for path in wanted if not path.exists()]
        if missing:
            found = len(list(wanted[0].parent.glob("neuron[0-9]*")))
            row, degree = catalog.trouble("no-device-file"), self._line.needs.degree
            raise ServerError(
                f"no {missing[0]}: degree {degree} needs {len(wanted)} Neuron devices, {found} are here: "
                f"use lane='rehearsal' without the chip. {row.cause} {row.fix}"
            )

    def _check_readable(self) -> None:
        for path in (self.folder.path, *self.folder.path.rglob("*")):
            seen = path.stat()
            needed = 0o5 if path.is_dir() else 0o4
            if seen.st_uid != USER and seen.st_mode & needed != needed:
                reason = f"the container's user {USER} may not read it: `chmod -R o+rX {paths.shown(self.folder.path)}`"
                raise FolderError(paths.shown(path), reason)

    def _check_name(self) -> None:
        seen = docker.find(self._line.name)
        if seen is None:
            return
        if seen.owner == str(paths.logs()) and not seen.running:
            docker.remove(seen.id, patience_s=0)
            return
        raise ServerError(
            f"there is a container {seen.name} already ({seen.state}): "
            f"stop it with `inf2lab stop`, or `docker rm --force {seen.name}`"
        )

    def _make_folders(self) -> None:
        """Make the folders that the container writes, logs anew, and let its user write them.

        Root gives them away; any other user opens them to all.
        """
        shutil.rmtree(self._log_folder, ignore_errors=True)  # files of another user would stop the log
        for folder in self._line.written:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                if os.geteuid() == 0:
                    os.chown(folder, USER, USER)
                elif os.geteuid() != USER:
                    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o777)
            except PermissionError:
                row = catalog.trouble("log-folder")
                raise ServerError(
                    f"{paths.shown(folder)} cannot be made writable for the container's user {USER}: "
                    f"`sudo chown -R {USER} {paths.shown(folder)}` ({row.symptom})"
                ) from None

    def _remember_digest(self, report: Report) -> None:
        pinned = docker.digest(self.image)
        if pinned and not self.settings.image:
            path = paths.container_cache() / _DIGESTS
            write_file(path, json.dumps(_known_digests() | {self.settings.stack.image: pinned}, indent=2) + "\n")
            report(f"the tag stands for {pinned}: used from now on")

    def _write_state(self, identity: str) -> None:
        ServerState(
            pid=0,
            created=0,
            port=self.settings.port,
            lane=self.settings.lane,
            profile=self.settings.profile,
            instance=self.settings.instance,
            folder=str(self.folder.path),
            scratch="",
            started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            container=identity,
            copies=self.settings.copies,
            image=self.settings.image,
            network=self.settings.network,
        ).write()


def stop_labelled(label: str, *, patience_s: float = 10) -> list[str]:
    """Stop and remove the containers with a label (`name=value`); returns the names of those that were running.

    Raises EngineError.
    """
    ended = []
    for identity in docker.labelled(label):
        seen = docker.find(identity)
        if seen and docker.remove(identity, patience_s=patience_s):
            ended.append(seen.name)
        _forget(identity)
    return ended


def _forget(container: str) -> None:
    """Remove what is on record of a container that is gone, on whichever port it was."""
    for state in all_states():
        if state.container == container:
            state.remove()


def _known_digests() -> dict[str, str]:
    """Return {tag: repository@sha256:...} of the images that were pulled here by tag."""
    try:
        return dict(json.loads((paths.container_cache() / _DIGESTS).read_text()))
    except (OSError, ValueError, TypeError):
        return {}
