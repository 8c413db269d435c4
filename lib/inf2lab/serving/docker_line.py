"""What every `docker run` line of the chip's lane has: a name, devices, a port on loopback, a label, further words."""

import re
import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from inf2lab import paths
from inf2lab.errors import SettingsError
from inf2lab.folder import INSIDE_PORT, ModelFolder, Needs
from inf2lab.serving.docker import OWNER
from inf2lab.settings import Settings

_TOKEN = re.compile(r"\b(HF_TOKEN|HUGGING_FACE_HUB_TOKEN)=\S+")


@dataclass(frozen=True)
class Line(ABC):
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
        return f"inf2lab-{self.model}{place}"

    @property
    @abstractmethod
    def model(self) -> str:
        """The model, as the container's name has it."""

    @property
    @abstractmethod
    def device_count(self) -> int:
        """Neuron devices that the container is given."""

    @property
    @abstractmethod
    def asks_for(self) -> str:
        """What needs them, in words."""

    @property
    @abstractmethod
    def written(self) -> list[Path]:
        """The mounted folders that the container's user must be able to write."""

    @abstractmethod
    def groups(self) -> list[list[str]]:
        """Return the command in the groups of words that belong on one line."""

    @cached_property
    def needs(self) -> Needs:
        """What the folder asks of the machine."""
        return Needs(self.settings, self.folder)

    @property
    def devices(self) -> list[Path]:
        """The machine's device files that the copies sit on: neighbours."""
        first, place = self.first_device or 0, Path("/dev") if self.home else paths.devices()
        return [place / f"neuron{number}" for number in range(first, first + self.device_count)]

    @property
    def host_ports(self) -> list[int]:
        """The machine's ports that it takes."""
        return [self.settings.port]

    def words(self) -> list[str]:
        """Return the whole command."""
        return [word for group in self.groups() for word in group]

    def typed(self) -> str:
        """Return the command as a person would type it in the repository's folder, one option a line."""
        root = str(paths.root())
        lines = [" ".join(_quote(word, root) for word in group) for group in self.groups()]
        return " \\\n    ".join(lines)

    def begun(self) -> list[list[str]]:
        """Return the groups that every line begins with: name, devices, network."""
        return [
            # --init: an image's entry point, as process 1, would not hear `docker stop`
            ["docker", "run", "--detach", "--init", "--name", self.name, "--restart", "no"],
            *(["--device", _device(path, number)] for number, path in enumerate(self.devices)),
            ["--network", "host"] if self.settings.network == "host" else self._published(),
        ]

    def ended(self, *words: str) -> list[list[str]]:
        """Return the groups that every line ends with: the hub's token, the label, further words, image and `words`."""
        return [
            *self._hub_token(),
            ["--label", f"{OWNER}={self.home / 'logs' if self.home else paths.logs()}"],
            *self._further(),
            [self.image, *words],
        ]

    def _published(self) -> list[str]:
        return ["-p", f"127.0.0.1:{self.settings.port}:{INSIDE_PORT}"]

    def _hub_token(self) -> list[list[str]]:
        """The hub's token by name: Docker takes its value from the environment here, so another machine has none."""
        return [["-e", paths.HUB_TOKEN]] if paths.has_hub_token() and not self.home else []

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
