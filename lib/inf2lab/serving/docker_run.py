"""The `docker run` line of the chip's lane, made from the folder, the profile and the plan; nothing is run here.

Paths inside the image are DJLServing's own (`/opt/ml/model`, `/opt/djl/logs`; serving/docker/config.properties).
"""

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from inf2lab import paths
from inf2lab.errors import SettingsError
from inf2lab.folder import (
    COMPILED,
    INSIDE_PORT,
    MANAGEMENT_PORT,
    MODEL_STORE,
    ModelFolder,
    Needs,
    container_environment,
)
from inf2lab.serving.docker import OWNER
from inf2lab.settings import Settings

CONTAINER_USER = 1000  # `djl` in the image, the first user of the Neuron AMIs; by number, as images differ in names
_TOKEN = re.compile(r"\b(HF_TOKEN|HUGGING_FACE_HUB_TOKEN)=\S+")
HOST_MANAGEMENT_OFFSET = 10  # on the machine's network; the next port is for a second server


@dataclass(frozen=True)
class RunLine:
    """The parts of one container's command. `groups` are the words that belong on one line."""

    settings: Settings
    folder: ModelFolder
    log_folder: Path
    image: str
    first_device: int | None = None  # of the machine, for one of several replicas; None: the only one, from 0 on
    home: Path | None = None  # of the clone's folders on another machine; None: this one

    @property
    def name(self) -> str:
        """The container's name."""
        place = "" if self.first_device is None else f"-neuron{self.first_device}"
        return f"inf2lab-{self.folder.name}{place}"

    @cached_property
    def needs(self) -> Needs:
        """What the folder asks of the machine."""
        return Needs(self.settings, self.folder)

    @property
    def devices(self) -> list[Path]:
        """The machine's device files that the copies sit on: neighbours."""
        first, place = self.first_device or 0, Path("/dev") if self.home else paths.devices()
        return [place / f"neuron{number}" for number in range(first, first + self.needs.devices)]

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
            # --init: the image's entry point is a shell script, which as process 1 would not hear `docker stop`
            ["docker", "run", "--detach", "--init", "--name", self.name, "--restart", "no"],
            *(["--device", _device(path, number)] for number, path in enumerate(self.devices)),
            *self._network(),
            *(["-v", f"{folder}:{inside}"] for folder, inside in self.mounts.items()),
            ["-u", str(CONTAINER_USER), *self._groups_of_devices()],
            *(["-e", f"{name}={value}"] for name, value in self.environment.items()),
            *self._hub_token(),
            ["--label", f"{OWNER}={self.home / 'logs' if self.home else paths.logs()}"],
            *self._further(),
            [self.image, "serve"],
        ]

    def words(self) -> list[str]:
        """Return the whole command."""
        return [word for group in self.groups() for word in group]

    def typed(self) -> str:
        """Return the command as a person would type it in the repository's folder, one option a line."""
        root = str(paths.root())
        lines = [" ".join(_quote(word, root) for word in group) for group in self.groups()]
        return " \\\n    ".join(lines)

    def _network(self) -> list[list[str]]:
        if self.settings.network == "host":
            return [["--network", "host"]]
        return [["-p", f"127.0.0.1:{self.settings.port}:{INSIDE_PORT}"]]

    def _hub_token(self) -> list[list[str]]:
        """The hub's token by name: Docker takes its value from the environment here, so another machine has none."""
        return [["-e", paths.HUB_TOKEN]] if paths.has_hub_token() and not self.home else []

    def _groups_of_devices(self) -> list[str]:
        """The groups that own device files which not everybody may open (a udev rule can say GROUP=neuron, 0660)."""
        found = [path.stat() for path in self.devices if not self.home and path.exists()]
        closed = sorted({seen.st_gid for seen in found if seen.st_mode & 0o006 != 0o006})
        return [word for group in closed for word in ("--group-add", str(group))]

    def _further(self) -> list[list[str]]:
        words, text = self.needs.further_words, self.settings.docker_options
        if _TOKEN.search(text):
            reason = f"a token's value would stand in logs: set {paths.HUB_TOKEN} in the environment, it is passed on"
            raise SettingsError("docker_options", _TOKEN.sub(r"\1=***", text), reason)
        return [words] if words else []


def _device(path: Path, number: int) -> str:
    """Return the value of --device: the container sees its devices under /dev, numbered from 0.

    The runtime wants them without a gap (Neuron SDK, deploy/troubleshooting.rst); DJL's own way to skip devices
    is to number them anew (deepjavalibrary/djl-serving, pull request 1079).
    """
    inside = f"/dev/neuron{number}"
    return inside if str(path) == inside else f"{path}:{inside}"


def _quote(word: str, root: str) -> str:
    """Return a word for the shell, with the repository's folder as $PWD where the word or its value begins with it."""
    name, equals, value = word.partition("=") if word.startswith(f"{OWNER}=") else ("", "", word)
    inside = value.removeprefix(root)
    if inside == value or inside[:1] not in ("", "/"):
        return shlex.quote(word)
    return f'"{name}{equals}$PWD' + re.sub(r'(["$`\\])', r"\\\1", inside) + '"'
