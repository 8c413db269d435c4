"""One container that starts a model folder, whatever kind of file says so.

It has the options that `docker run` would have: env, device, volume, publish, network, user.
"""

import os
import re
from dataclasses import dataclass

from inf2lab.folder.environment import Variable, configures
from inf2lab.folder.shell import Words

MODEL_STORE = "/opt/ml/model"  # where DJLServing's images look for models (serving/docker/config.properties)


@dataclass(frozen=True)
class Container:
    """One container: its image, the options that decide whether DJLServing works, and its variables."""

    command: Words
    image: str
    options: tuple[tuple[str, str], ...]
    variables: tuple[Variable, ...] = ()
    arguments: tuple[str, ...] = ()  # words behind the image, for the program inside

    def all(self, *names: str) -> tuple[str, ...]:
        """The values of every option with one of these long names."""
        return tuple(value for name, value in self.options if name in names)

    @property
    def env(self) -> dict[str, str]:
        """Its variables by name."""
        return {variable.name: variable.value for variable in self.variables}

    @property
    def devices(self) -> tuple[int, ...]:
        """Numbers of the Neuron devices as the container sees them."""
        seen = (value.split(":")[1 if ":" in value else 0] for value in self.all("device"))
        return tuple(int(m[1]) for path in seen if (m := re.fullmatch(r"/dev/neuron(\d{1,4})", path)))

    @property
    def privileged(self) -> bool:
        """Whether it sees every device of the machine."""
        return "true" in self.all("privileged")

    def visible(self, chips: int) -> tuple[int, ...]:
        """Return the devices that it sees on a machine of so many."""
        return tuple(range(chips)) if self.privileged else tuple(sorted(set(self.devices)))

    @property
    def on_host_network(self) -> bool:
        """Whether the container shares the host's network."""
        return "host" in self.all("network", "net", "network_mode")

    @property
    def mounts(self) -> tuple[tuple[str, str], ...]:
        """What is mounted, as (source, target)."""
        pairs = [value.split(":") for value in self.all("volume") if ":" in value]
        named = [dict(part.partition("=")[::2] for part in value.split(",")) for value in self.all("mount")]
        pairs += [
            [one.get("source") or one.get("src", ""), one.get("target") or one.get("dst") or one.get("destination", "")]
            for one in named
        ]
        return tuple((pair[0], pair[1].rstrip("/")) for pair in pairs)

    def on_host(self, path: str) -> str:
        """Return the host's path of what the container has at a path: the deepest mount over it holds.

        Empty where there is none, or where its source is a volume, or a path from a folder that nobody knows here.
        """
        path = path.rstrip("/")
        over = (pair for pair in self.mounts if f"{path}/".startswith(f"{pair[1]}/"))
        source, inside = max(over, key=lambda pair: len(pair[1]), default=("", ""))
        return os.path.normpath(source + path.removeprefix(inside)) if os.path.isabs(source) else ""

    @property
    def serves(self) -> bool:
        """Whether it may be DJLServing's: by its image, by a variable that only a model server has, or by its store."""
        named = "djl" in self.image or any(configures(variable.name) for variable in self.variables)
        return named or any(f"{target}/".startswith(f"{MODEL_STORE}/") for _, target in self.mounts)
