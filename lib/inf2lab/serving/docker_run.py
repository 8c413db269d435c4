"""The `docker run` line of DJLServing's container, made from the folder, the profile and the plan; nothing is run here.

Paths inside the image are DJLServing's own (`/opt/ml/model`, `/opt/djl/logs`; serving/docker/config.properties).
"""

import os
from dataclasses import dataclass
from pathlib import Path

from inf2lab import paths
from inf2lab.folder import COMPILED, INSIDE_PORT, MANAGEMENT_PORT, MODEL_STORE, container_environment
from inf2lab.serving.docker_line import Line

CONTAINER_USER = 1000  # `djl` in the image, the first user of the Neuron AMIs; by number, as images differ in names
HOST_MANAGEMENT_OFFSET = 10  # on the machine's network; the next port is for a second server


def is_closed(device: os.stat_result) -> bool:
    """Whether not everybody may read and write a device file: the container is given its group then."""
    return device.st_mode & 0o006 != 0o006


@dataclass(frozen=True)
class RunLine(Line):
    """The parts of one container's command."""

    @property
    def model(self) -> str:
        """The model, as the container's name has it."""
        return self.folder.name

    @property
    def device_count(self) -> int:
        """Neuron devices of the copies."""
        return self.needs.devices

    @property
    def asks_for(self) -> str:
        """What needs them, in words."""
        return f"degree {self.needs.degree}"

    @property
    def addresses(self) -> tuple[str, str]:
        """Where inference and management listen, as seen from inside; management is never published."""
        if self.settings.network == "host":
            port = self.settings.port
            return f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + HOST_MANAGEMENT_OFFSET}"
        return f"http://0.0.0.0:{INSIDE_PORT}", f"http://127.0.0.1:{MANAGEMENT_PORT}"

    @property
    def host_ports(self) -> list[int]:
        """The machine's ports that it takes; management has one where it shares the machine's network."""
        port = self.settings.port
        return [port, port + HOST_MANAGEMENT_OFFSET] if self.settings.network == "host" else [port]

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the container."""
        needs, stack = self.needs, self.settings.stack
        return container_environment(*self.addresses, stack, loading_s=needs.loading_s, predict_s=needs.predict_s)

    @property
    def mounts(self) -> dict[Path, str]:
        """Folders of this machine and where the container sees them: the model read-only, logs and caches to write."""
        cache = self.home / "cache" if self.home else paths.container_cache()
        name = self.folder.path.name
        return {
            self.home / "models" / name if self.home else self.folder.path: f"{MODEL_STORE}/{name}:ro",
            self.log_folder: "/opt/djl/logs",
            cache / "huggingface": "/cache/huggingface",
            cache / "neuron-compile-cache": COMPILED,
        }

    @property
    def written(self) -> list[Path]:
        """The mounted folders that the container's user must be able to write."""
        return [folder for folder, inside in self.mounts.items() if not inside.endswith(":ro")]

    def groups(self) -> list[list[str]]:
        """Return the command in the groups of words that belong on one line."""
        return [
            *self.begun(),
            *(["-v", f"{folder}:{inside}"] for folder, inside in self.mounts.items()),
            ["-u", str(CONTAINER_USER), *self._groups_of_devices()],
            *(["-e", f"{name}={value}"] for name, value in self.environment.items()),
            *self.ended("serve"),
        ]

    def _groups_of_devices(self) -> list[str]:
        """The groups that own device files which not everybody may open (a udev rule can say GROUP=neuron, 0660)."""
        found = [path.stat() for path in self.devices if not self.home and path.exists()]
        closed = sorted({seen.st_gid for seen in found if is_closed(seen)})
        return [word for group in closed for word in ("--group-add", str(group))]
