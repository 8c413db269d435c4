"""What every kind of server can do and the small results it gives; the rehearsal and the container implement it."""

import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import psutil

from inf2lab import paths
from inf2lab.endpoint import Endpoint
from inf2lab.errors import EndpointError, LoadFailed, NotReady, ServerError
from inf2lab.folder import ModelFolder, Needs
from inf2lab.serving.log import Steps, follow, read_lines, read_until
from inf2lab.settings import Settings
from inf2lab.words import Report

_WRITTEN = ("logs", "config.properties")  # into a log folder, beside *.log


@dataclass(frozen=True)
class Worker:
    """One worker process of a model, as the server describes it."""

    device: str  # "nc0", "cpu"
    status: str


class State(StrEnum):
    """What a server is doing; it has failed if it ended by itself."""

    STOPPED = "stopped"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class ServerStatus:
    """A server at one moment; `detail` is one line that explains its state."""

    state: State
    detail: str
    workers: tuple[Worker, ...] = ()


class ModelServer(ABC):
    """A server for one model folder: started once, found again by its state file, stopped by its own process id."""

    poll_s = 0.1  # between two looks while it loads
    note_s = 60.0  # a line at least this often, also when nothing happens

    def __init__(self, settings: Settings, folder: ModelFolder) -> None:
        self.settings, self.folder = settings, folder
        self.log_folder = paths.logs() / f"server-{settings.port}"
        self.log_path = self.log_folder / "console.log"  # everything the server and its workers print

    @cached_property
    def needs(self) -> Needs:
        """What the folder asks of the machine, with the variables that are given beside it."""
        return Needs(self.settings, self.folder)

    @property
    def name(self) -> str:
        """The model's name in requests."""
        return self.folder.name

    @property
    def shape(self) -> str:
        """The requests that its handler takes: a name of `SHAPES`."""
        return self.needs.stated.shape

    @property
    def rows(self) -> int:
        """Prompts of one request."""
        return self.needs.rows

    @property
    def model_id(self) -> str:
        """The model's name on the hub, or its folder."""
        return self.needs.model_id

    @property
    def gathers(self) -> int | None:
        """Requests that it gathers into one batch; None where nobody knows."""
        return self.needs.gathers

    @property
    def patience_s(self) -> float:
        """How long it may load: as long as its workers may take, one after the other, and a margin; in seconds."""
        return self.needs.ready_s(self.workers)

    @property
    def workers(self) -> int:
        """Copies that the server starts."""
        return self.settings.copies

    def beside(self) -> Settings:
        """Return the settings of one more server of this folder's size while this one runs; raises FolderError."""
        return self.settings.beside(self.needs.devices)

    @property
    def url(self) -> str:
        """Where the server listens; loopback only."""
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def endpoint(self) -> Endpoint:
        """A client for the folder's model, which outwaits the folder's own time for an answer."""
        return Endpoint(self.url, self.name, timeout_s=self.needs.client_s)

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that starts it, as a person could type it."""

    def check(self) -> None:
        """Raise LabError if the folder cannot be served; nothing is started or stopped."""
        self.folder.check()
        _ = self.needs.loading_s, self.needs.predict_s
        self.needs.check_model()

    def clear_logs(self) -> None:
        """Remove the logs of the last start; raises ServerError for a folder that holds something else."""
        if not os.path.isdir(self.log_folder):
            return
        names = {path.name for path in self.log_folder.iterdir()}
        if names and not any(name.endswith(".log") or name in _WRITTEN for name in names):
            reason = f"{paths.shown(self.log_folder)} is no server's log folder, and a start would empty it"
            raise ServerError(f"{reason}: take it away, or set INF2LAB_LOGS to another folder")
        shutil.rmtree(self.log_folder, ignore_errors=True)

    @abstractmethod
    def start(self, report: Report) -> None:
        """Start it and return at once; `report` gets a line for each step. Raises ServerError."""

    @abstractmethod
    def exists(self) -> bool:
        """Return whether the server's process (or container) is there."""

    def process(self) -> psutil.Process | None:
        """Return the server's own process while it runs; None for a container, whose process is Docker's."""
        return None

    @abstractmethod
    def status(self) -> ServerStatus:
        """Return what it is doing now; never raises for a server that is gone."""

    @abstractmethod
    def stop(self, *, patience_s: float = 10) -> bool:
        """Stop it and its workers; returns whether anything was running. Safe to call twice."""

    def wait_ready(self, *, timeout_s: float | None = None, report: Report = print) -> ServerStatus:
        """Wait until the model answers, with a line at each change; raises LoadFailed or NotReady.

        The default patience is the folder's own.
        """
        patience_s = self.patience_s if timeout_s is None else timeout_s
        with Steps(self.log_path) as steps:
            return self._wait_ready(steps, patience_s, report)

    def _wait_ready(self, steps: Steps, patience_s: float, report: Report) -> ServerStatus:
        started, told = time.monotonic(), 0
        quiet_since = started
        while True:
            status = self.status()
            seen = steps.look()  # after the status: the last steps come with "ready"
            for line in seen[told:]:
                quiet_since = time.monotonic()
                report(f"{quiet_since - started:.1f} s  {line}")
            told = max(told, len(seen))
            if status.state == State.LOADING and time.monotonic() - quiet_since > self.note_s:
                quiet_since = time.monotonic()
                waited_s = quiet_since - started
                report(f"{waited_s:.1f} s  still loading, of at most {patience_s:.0f} s: {status.detail[:100]}")
            if status.state == State.READY:
                report(f"{time.monotonic() - started:.1f} s  ready at {self.url}")
                return status
            if status.state in (State.FAILED, State.STOPPED):
                raise LoadFailed(self.name, status.detail, paths.shown(self.log_path))
            if time.monotonic() - started > patience_s:
                raise NotReady(self.name, patience_s, status.detail)
            time.sleep(self.poll_s)

    def logs(self, lines: int = 20) -> list[str]:
        """Return the last lines of the log; none before the first start."""
        return read_lines(self.log_path)[-lines:]

    def log_size(self) -> int:
        """Return how long the log is now, in bytes: a mark for `log_since`."""
        return self.log_path.stat().st_size

    def log_since(self, mark: int, until: str) -> str:
        """Return what the log gained since `mark`, once it has a line with the pattern `until`; raises LabError."""
        return read_until(self.log_path, until, start=mark)

    def describe(self) -> dict[str, Any]:
        """Return what the server says of the model: workers, devices, queue; raises EndpointError."""
        return Endpoint(self.url, self.folder.name, timeout_s=5).describe()

    def follow(self, lines: int = 20) -> Iterator[str]:
        """Yield the last lines of the log and then each new one, until the server is stopped; a restart goes on."""
        return follow(self.log_path, lines, self.exists)

    def _ready(self, workers: tuple[Worker, ...]) -> ServerStatus:
        return ServerStatus(State.READY, f"{self.name} answers at {self.url}", workers)

    def _answers(self) -> tuple[Worker, ...] | None:
        """Return the model's workers if the server answers for the model, else None."""
        try:
            return workers_of(self.describe())
        except EndpointError:
            return None


def workers_of(description: dict[str, Any]) -> tuple[Worker, ...]:
    """Return the workers in a server's description of a model."""
    return tuple(
        Worker(_device_name(group["device"]), worker["status"])
        for group in description["workerGroups"]
        for worker in group["workers"]
    )


def _device_name(device: dict[str, object]) -> str:
    """Return a device as the log writes it: cpu, nc0, nc8."""
    number = device["deviceId"]
    return f"{device['deviceType']}{number if number != -1 else ''}"
