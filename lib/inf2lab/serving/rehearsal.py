"""The rehearsal lane: DJLServing's contract in front of DJL's own worker, on this machine's processor."""

import subprocess
import sys

from inf2lab import catalog, paths
from inf2lab.errors import ServerError
from inf2lab.folder import ModelFolder
from inf2lab.serving.local import LocalServer
from inf2lab.settings import Settings


class RehearsalServer(LocalServer):
    """A `python -m rehearsal.server` process."""

    kind = "rehearsal"

    def __init__(
        self, settings: Settings, folder: ModelFolder, *, neuron_cores: int | None = None, python: str = sys.executable
    ) -> None:
        """`neuron_cores` are emulated, by default all from the first device on; `python` is the laboratory's own."""
        super().__init__(settings, folder)
        self._neuron_cores = neuron_cores or settings.hardware.cores - settings.first_core
        self._python = python

    def command(self, *, log_files: bool = True) -> list[str]:
        """Return the server's command line; without `log_files` it only prints."""
        return [
            *(self._python, "-m", "rehearsal.server"),
            *("--model-store", str(self.folder.path)),
            *("--host", "127.0.0.1"),  # whatever a configuration says
            *("--port", str(self.settings.port)),
            *("--djl-version", str(self.settings.stack.rehearsed_by)),
            *("--neuron-cores", str(self._neuron_cores)),
            *("--worker-limit", str(self.settings.copies)),  # of the many that the instance has room for
            *(("--log-dir", str(self.log_folder)) if log_files else ()),
        ]

    def check(self) -> None:
        """Raise FolderError or ServerError if this folder cannot be rehearsed under this profile."""
        super().check()
        stack = self.settings.stack
        if stack.rehearsed_by is None:
            rehearsed = [p.name for p in catalog.profiles().values() if p.rehearsed_by]
            raise ServerError(
                f"profile {stack.name} is not rehearsed: DJL's worker {stack.djl} is not here; "
                f"use one of {', '.join(rehearsed)}, or lane inf2"
            )
        entry = self.folder.option("entryPoint")
        if stack.worker != stack.rehearsed_by and entry.startswith("djl_python."):
            raise ServerError(
                f"the built-in handler of DJLServing {stack.djl} cannot be rehearsed: its worker is not published on "
                f"Maven. Use a model.py (notebook 04), which worker {stack.rehearsed_by} runs, or profile djl-0.25"
            )

    def provide(self) -> None:
        """Have the server's own tool fetch DJL's worker into the cache (170 KB, once); raises ServerError."""
        version = str(self.settings.stack.rehearsed_by)
        if worker_is_here(version):
            return
        command = [sys.executable, "-m", "rehearsal.server.workers.package", "--djl-version", version]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])


def worker_is_here(version: str) -> bool:
    """Return whether DJL's worker of this version is in the cache."""
    return any(paths.cache().glob(f"*/{version}*/djl_python_engine.py"))
