"""Makes worker processes: which interpreter, environment, socket and options a worker of a model gets."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import ApiError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device, visible_cores
from rehearsal.server.models.info import ModelInfo
from rehearsal.server.workers.folder import SocketFolder
from rehearsal.server.workers.leavings import MARK
from rehearsal.server.workers.process import WorkerCommand, WorkerProcess, find_python, worker_pythonpath

FIRST_PORT = 19000  # DJLServing numbers its sockets from here, also the Unix ones
BLANKS = "".join(map(chr, range(33)))  # what Java's `trim` takes away


class WorkerFactory:
    """Starts workers for one server; owns the folder of their sockets and the lease that ends them with it."""

    def __init__(self, config: ServerConfig, package: Path, log: ServerLog) -> None:
        self._config, self._package, self._log = config, package, log
        self._ports = itertools.count(FIRST_PORT)
        self._folder = SocketFolder()
        # Nothing is ever written: the read end ends when this process does, however it does.
        self._lease, self._lease_writer = os.pipe()

    async def start(self, model: ModelInfo, device: Device, *, retry: int = 0) -> WorkerProcess:
        """A worker that has loaded the model. Raises ModelLoadError; no process is left then."""
        port = next(self._ports)
        command = self._command(model, device, port)
        self._log.info("PyProcess", f"Start process: {port} - retry: {retry}")
        process = WorkerProcess(command, self._log, self._lease)
        await process.load(model.init_properties(), model.loading_timeout_s)
        try:
            _ = model.rolls and (
                model.rolling_size,
                model.rolling_buffer,
            )  # read when the worker stands, as in the original
        except ApiError:
            await process.kill()
            raise
        return process

    def close(self) -> None:
        """Removes the socket folder and ends the lease."""
        self._folder.close()
        os.close(self._lease)
        os.close(self._lease_writer)

    def _command(self, model: ModelInfo, device: Device, port: int) -> WorkerCommand:
        stated = _variables(model.options.get("env", ""))
        environ = {**self._config.environ, **stated}
        socket = self._folder.path / f"djl_sock.{port}"
        environ[MARK] = str(socket)
        environ["PYTHONPATH"] = worker_pythonpath(self._config.environ, self._package, model.folder, stated)
        environ.setdefault("REHEARSAL_INSTANCE", str(self._folder.path / "cores"))  # unless servers are to share one
        if self._config.neuron_cores > 0:
            environ["REHEARSAL_NEURON_CORES"] = str(self._config.neuron_cores)
        if cores := visible_cores(device, model.degree):
            environ["NEURON_RT_VISIBLE_CORES"] = cores
            self._log.info("Connection", f"Set NEURON_RT_VISIBLE_CORES={cores}")
        return WorkerCommand(
            python=find_python(model.options, self._config.environ, model.folder),
            package=self._package,
            model=model.label,
            folder=model.folder,
            entry_point=model.entry_points[device],
            device_id=device.number,
            socket=socket,
            environ=environ,
        )


def _variables(text: str) -> dict[str, str]:
    """What `option.env` states; an item without `=` counts for nothing."""
    pairs = [pair.split("=", 1) for pair in text.split(",") if "=" in pair]
    return {name: value.strip(BLANKS) for key, value in pairs if (name := key.strip(BLANKS))}
