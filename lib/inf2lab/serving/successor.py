"""The successor in the chip's lane: the container that a migrated folder names, found, waited for and stopped as DJL's.

What `sh command.sh` in the folder starts, with a name, a log and a label as every container of the lab has them, and
with the bridge before it, so that it takes the old requests too.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab import paths
from inf2lab.errors import EndpointError, ServerError
from inf2lab.folder import Migrated
from inf2lab.serving import docker, host
from inf2lab.serving.container import ContainerServer
from inf2lab.serving.docker_line import Line
from inf2lab.serving.interface import Worker
from inf2lab.serving.migrated import MigratedServer
from inf2lab.words import Report

BRIDGE = "/bridge"  # where the image finds it


@dataclass(frozen=True, kw_only=True)
class SuccessorLine(Line):
    """The parts of its command; the image runs as root, so that it needs no folder made writable."""

    migrated: Migrated

    @property
    def model(self) -> str:
        """The model and what serves it, so that the old server may stand beside it."""
        return f"{self.migrated.name}-{self.migrated.target}"

    @property
    def device_count(self) -> int:
        """Neuron devices of its one copy."""
        return self.migrated.devices

    @property
    def asks_for(self) -> str:
        """What needs them, in words."""
        return self.migrated.target

    @property
    def mounts(self) -> list[str]:
        """Folders as `docker run -v` takes them: those beside the folder's own file by their whole path."""
        here = self.folder.path.resolve()
        return [f"{here}{text[1:]}" if text.startswith("./") else text for text in self.migrated.mounts]

    @property
    def missing(self) -> list[Path]:
        """Folders that the container only reads, and that are not here."""
        read = (Path(text.removesuffix(":ro").rpartition(":")[0]) for text in self.mounts if text.endswith(":ro"))
        return [path for path in read if not path.is_dir()]

    @property
    def written(self) -> list[Path]:
        """The folder of the log, which Docker keeps and the lab writes."""
        return [self.log_folder]

    def groups(self) -> list[list[str]]:
        """Return the command in the groups of words that belong on one line."""
        bridge = {"PYTHONPATH": BRIDGE, "BRIDGE_SAMPLING": json.dumps(self.migrated.sampling)}
        return [
            *self.begun(),
            self.migrated.options,
            *(["-v", text] for text in (*self.mounts, f"{self.folder.path.resolve()}{BRIDGE}:{BRIDGE}:ro")),
            *(["-e", f"{name}={value}"] for name, value in bridge.items()),
            *self.ended(*self.migrated.arguments, "--middleware", "bridge.Bridge", *self._address()),
        ]

    def _address(self) -> tuple[str, ...]:
        """What is said last holds: on the machine's own network the port is the one that was asked for."""
        return ("--host", "127.0.0.1", "--port", str(self.settings.port)) if self.settings.network == "host" else ()


class SuccessorServer(MigratedServer, ContainerServer):
    """The container of the image that the folder was migrated to."""

    @property
    def line(self) -> SuccessorLine:
        """The command that starts it, in its parts."""
        return SuccessorLine(
            self.settings, self.folder, self.log_folder, self.image, self.first_device, migrated=self.migrated
        )

    @property
    def own_image(self) -> str:
        """The image where none is asked for: the folder's."""
        return self.migrated.image

    def check(self) -> None:
        """Raise LabError if the folder cannot be served on this machine; nothing is started or stopped."""
        made, where = self.migrated, paths.shown(self.folder.path)
        if not made.devices:
            raise ServerError(f"{made.target} runs on no Neuron device: on its own machine `sh command.sh` in {where}")
        for path in self.line.missing:
            raise ServerError(f"{paths.shown(path)} is not here: put the model's files there, then serve {where} again")
        if self.settings.copies > 1:
            raise ServerError(f"{made.target} has one copy a server: start another one with --port and --first-device")
        self.line.words()
        host.check_devices(self.line)

    def pull(self, report: Report) -> None:
        """Pull the image if it is not here; raises EngineError, or ServerError for a name without its registry."""
        registry, slash, _ = self.image.partition("/")
        if not (slash and "." in registry) and not docker.has_image(self.image):
            remedy = f"name it with --image ADDRESS/{self.own_image}"
            raise ServerError(
                f"image {self.image} is not here, and its name says no registry to pull it from: {remedy}"
            )
        super().pull(report)

    def describe(self) -> dict[str, Any]:
        """Raise EndpointError: it has no management, and says what it serves at /v1/models."""
        raise EndpointError(0, "nothing", f"{self.migrated.target} has no management: ask {self.url}/v1/models")

    def _answers(self) -> tuple[Worker, ...] | None:
        return (Worker(f"nc{2 * self.settings.first_device}", "READY"),) if self.is_healthy() else None
