"""The inf2 lane: the `docker run` line for the real container. For now a person runs it; the lab waits and asks.

Paths inside the image: DJLServing's own (`/opt/ml/model`, `/opt/djl/logs`; serving/docker/config.properties).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from inf2lab import paths
from inf2lab.serving._interface import ModelServer, Report, ServerStatus


class ContainerServer(ModelServer):
    """DJLServing's inf2 image on an instance, started by hand with the printed command."""

    @property
    def container(self) -> str:
        """The container's name."""
        return f"inf2lab-{self.folder.name}"

    @property
    def log_path(self) -> Path:
        """The server's log, as the container writes it through the mounted folder."""
        return paths.logs() / "serving.log"

    def options(self) -> list[list[str]]:
        """Return the command in the groups of words that belong on one line."""
        settings, stack = self.settings, self.settings.stack
        stated = self.folder.option("tensor_parallel_degree", "1")
        degree = settings.hardware.cores if stated == "max" else int(stated)  # `max` is legal since 0.24
        devices = -(-degree // settings.hardware.cores_per_chip)  # of one copy of the model
        environment = {
            "MODEL_LOADING_TIMEOUT": stack.loading_timeout_s,
            "PREDICT_TIMEOUT": stack.predict_timeout_s,
            "OPT_OUT_TRACKING": "true",  # the image calls home otherwise
        }
        return [
            ["docker", "run", "--detach", "--name", self.container],
            *(["--device", f"/dev/neuron{number}"] for number in range(devices)),
            ["-p", f"127.0.0.1:{settings.port}:8080"],
            ["-v", f"{self.folder.path}:/opt/ml/model/{self.folder.path.name}:ro"],
            ["-v", f"{paths.logs()}:/opt/djl/logs"],
            *(["-e", f"{name}={value}"] for name, value in environment.items()),
            [stack.image, "serve"],
        ]

    def command(self) -> list[str]:
        """Return the `docker run` line: contiguous devices, read-only model, loopback port, the profile's time-outs."""
        return [word for group in self.options() for word in group]

    def typed(self) -> str:
        """Return the command as a person would type it in the repository's folder, one option a line."""
        root = str(paths.root())
        lines = [" ".join(_quoted(word, root) for word in group) for group in self.options()]
        return " \\\n    ".join(lines)

    def start(self, report: Report) -> None:
        """Print the command for a terminal on the instance; nothing is run."""
        self.check()
        report("run this in a terminal on the instance, then go on here:")
        report(self.typed())

    def exists(self) -> bool:
        """Return whether the container's port answers."""
        return self._answers() is not None

    def status(self) -> ServerStatus:
        """Return ready when the model answers; anything else is the container's own business for now."""
        workers = self._answers()
        if workers is not None:
            return ServerStatus("ready", f"{self.folder.name} answers at {self.url}", workers)
        return ServerStatus(
            "loading", f"nothing answers at {self.url} yet; look with `docker logs {self.container}`"
        )

    def stop(self, *, patience_s: float = 10) -> bool:
        """Return False: the container was started by hand, and `docker rm --force NAME` ends it."""
        return False


def _quoted(word: str, root: str) -> str:
    """Return a word for the shell, with the repository's folder as $PWD where the word begins with it."""
    inside = word.removeprefix(root)
    if inside == word or inside[:1] not in ("", "/"):
        return shlex.quote(word)
    return '"$PWD' + re.sub(r'(["$`\\])', r"\\\1", inside) + '"'
