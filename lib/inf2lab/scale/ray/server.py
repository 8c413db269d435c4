"""The model server beside one Ray replica: started on a free loopback port or found at an address, and watched."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from inf2lab import paths
from inf2lab.errors import LoadFailed, NotReady, PortInUse, ServerError
from inf2lab.folder import LOAD_MARGIN_S, ModelFolder
from inf2lab.scale.ray.spec import RaySpec
from inf2lab.serving import ContainerServer, RehearsalServer, claim, free_port
from inf2lab.settings import Settings

_ATTEMPTS = 3  # a free port can be taken by a neighbour before the server opens it
_POLL_S = 0.05


@dataclass
class Beside:
    """A server that answers at `url`. `process` ends when it ends; None for one that somebody else operates."""

    url: str
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None
    scratch: Path | None = None
    container: ContainerServer | None = None  # on the chip; `process` then is `docker wait`
    port: int = 0  # that it was to listen on, if it was started here
    stopping: bool = False

    def watch(self, on_end: Callable[[], None]) -> None:
        """Call `on_end` from a thread of its own once the server is gone, unless it was stopped on purpose.

        Trap: a health check alone notices a dead server many failed requests later.
        """
        threading.Thread(target=self._wait, args=(on_end,), daemon=True).start()

    def stop(self, *, patience_s: float = 10) -> None:
        """Stop the server if it was started here, and remove its temporary files. Safe to call twice."""
        self.stopping = True
        if self.container is not None:
            self.container.stop(patience_s=patience_s)
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def cause_of_end(self) -> str:
        """Return the line that says why the server ended."""
        if self.container is not None:
            return self.container.status().detail
        lines = self.log.read_text(errors="replace").splitlines() if self.log else []
        return next((line for line in reversed(lines) if line.strip()), "it printed nothing")

    def answers(self) -> bool:
        """Return whether the server says that it is healthy."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"{self.url}/ping", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def _wait(self, on_end: Callable[[], None]) -> None:
        if self.process is not None:
            self.process.wait()
        else:
            misses = 0
            while misses < 3 and not self.stopping:  # a busy server may miss one look
                time.sleep(0.5)
                misses = 0 if self.answers() else misses + 1
        if not self.stopping:
            on_end()


def begin(spec: RaySpec, visible: str = "") -> Beside:
    """Return the replica's server once its model answers; `visible` are the cores that Ray gave the replica.

    Raises LoadFailed, NotReady or, for the container, what `ContainerServer.start` raises.
    """
    if spec.url:
        beside = Beside(spec.url.rstrip("/"))
        _wait_ready(spec, beside)
        return beside
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(PortInUse):
            return _begin_on_a_free_port(spec, visible)
    return _begin_on_a_free_port(spec, visible)


def _begin_on_a_free_port(spec: RaySpec, visible: str) -> Beside:
    beside = _start_container(spec, visible) if spec.settings["lane"] == "inf2" else _start(spec)
    try:
        _wait_ready(spec, beside)
    except BaseException:
        beside.stop()
        raise
    return beside


def command_of(spec: RaySpec, port: int) -> tuple[list[str], dict[str, str], Path]:
    """Return the rehearsal server's command, what its environment has more, and its log, for one replica's cores."""
    settings = replace(Settings(**spec.settings), port=port)
    folder = ModelFolder(Path(spec.folder))
    server = RehearsalServer(settings, folder, neuron_cores=spec.neuron_cores, python=spec.python)
    return server.command(), server.environment(), server.log_path


def _start(spec: RaySpec) -> Beside:
    port = free_port()
    command, more, log = command_of(spec, port)
    scratch = Path(tempfile.mkdtemp(prefix="replica-", dir=spec.scratch or None))
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    own = {"REHEARSAL_INSTANCE": f"{scratch}/cores"}  # Ray has given this replica its cores, of nodes that it plays
    environment |= more | {"TMPDIR": str(scratch), "SERVING_DOWNLOAD_DIR": str(scratch)} | own
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # Trap: never fork in a replica. With preexec_fn Python forks for real, and gRPC's fork handlers then abort
        # the replica at random. Nothing is needed either: Ray's node ends this process with the replica's group.
        process = subprocess.Popen(
            command,
            cwd=paths.root(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Beside(f"http://127.0.0.1:{port}", process, log, scratch, port=port)


def _start_container(spec: RaySpec, visible: str) -> Beside:
    """Start DJLServing's container on the Neuron devices of the replica's cores."""
    settings = replace(Settings(**spec.settings), port=free_port())
    first = first_device(visible, settings.hardware.cores_per_chip)
    server = ContainerServer(settings, ModelFolder(Path(spec.folder)), first_device=first)
    # Ray gave these cores to this replica alone. So a container on them is that of one that was killed.
    server.stop(patience_s=1)
    server.start(lambda line: None)
    return Beside(server.url, server.waiter(), server.log_path, container=server, port=settings.port)


def first_device(visible: str, cores_per_chip: int) -> int:
    """Return the first Neuron device of cores as Ray names them ("8,9,10,11"); raises ServerError.

    A container is given whole devices, and they must be neighbours.
    """
    cores = [int(core) for core in visible.split(",") if core]
    whole = bool(cores) and cores[0] % cores_per_chip == 0 and len(cores) % cores_per_chip == 0
    if not whole or cores != list(range(cores[0], cores[0] + len(cores))):
        raise ServerError(
            f"NEURON_RT_VISIBLE_CORES={visible or '(nothing)'}: a container needs whole devices of "
            f"{cores_per_chip} NeuronCores, side by side. Give every replica of the node the same number of cores"
        )
    return cores[0] // cores_per_chip


# Trap: Ray sets OMP_NUM_THREADS=1, and a model on this machine's processor would compute on one thread. The other
# leads to a configuration that is not this replica's.
_NOT_INHERITED = {"OMP_NUM_THREADS", "MODEL_SERVER_HOME"}


def _wait_ready(spec: RaySpec, beside: Beside) -> None:
    deadline = time.monotonic() + spec.loading_s + LOAD_MARGIN_S
    while not beside.answers():
        if beside.process is not None and beside.process.poll() is not None:
            claim(beside.port)  # a neighbour may have been given it meanwhile
            raise LoadFailed(spec.model, beside.cause_of_end(), paths.shown(beside.log or ""))
        if time.monotonic() > deadline:
            raise NotReady(spec.model, spec.loading_s + LOAD_MARGIN_S, f"no answer from {beside.url}/ping")
        time.sleep(_POLL_S)
