"""The model server beside one Ray replica: started on a free loopback port or found at an address, and watched."""

from __future__ import annotations

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
from inf2lab.errors import LoadFailed, NotReady
from inf2lab.folder import ModelFolder
from inf2lab.scale.ray_environment import free_port
from inf2lab.scale.ray_spec import RaySpec
from inf2lab.serving import RehearsalServer
from inf2lab.settings import Settings

_ATTEMPTS = 3  # a free port can be taken by a neighbour before the server opens it
_POLL_S = 0.05


@dataclass
class Beside:
    """A server that answers at `url`; `process` is None for one that somebody else operates."""

    url: str
    process: subprocess.Popen[bytes] | None
    log: Path | None
    scratch: Path | None
    stopping: bool = False

    def watch(self, on_end: Callable[[], None]) -> None:
        """Call `on_end` from a thread of its own once the server is gone, unless it was stopped on purpose.

        Trap: a health check alone notices a dead server many failed requests later.
        """
        threading.Thread(target=self._wait, args=(on_end,), daemon=True).start()

    def stop(self, *, patience_s: float = 10) -> None:
        """Stop the server if it was started here, and remove its temporary files. Safe to call twice."""
        self.stopping = True
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)

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


def begin(spec: RaySpec) -> Beside:
    """Return the replica's server once its model answers; raises LoadFailed or NotReady."""
    patience_s = Settings(**spec.settings).stack.loading_timeout_s
    if spec.url:
        beside = Beside(spec.url.rstrip("/"), None, None, None)
        _wait_ready(spec, beside, patience_s)
        return beside
    for attempt in range(1, _ATTEMPTS + 1):
        beside = _start(spec)
        try:
            _wait_ready(spec, beside, patience_s)
        except LoadFailed as error:
            beside.stop()
            if attempt == _ATTEMPTS or "in use" not in error.cause.lower():
                raise
        else:
            return beside
    raise AssertionError("the last attempt returns or raises")


def command_of(spec: RaySpec, port: int) -> tuple[list[str], dict[str, str], Path]:
    """Return the rehearsal server's command, what its environment has more, and its log, for one replica's cores."""
    settings = replace(Settings(**spec.settings), port=port)
    server = RehearsalServer(settings, ModelFolder(Path(spec.folder)))
    _, *words = server.command()
    words[words.index("--neuron-cores") + 1] = str(spec.neuron_cores)
    return [spec.python, *words], server.environment(), server.log_path


def _start(spec: RaySpec) -> Beside:
    port = free_port()
    command, more, log = command_of(spec, port)
    scratch = Path(tempfile.mkdtemp(prefix="replica-", dir=spec.scratch or None))
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    environment |= more | {"TMPDIR": str(scratch), "SERVING_DOWNLOAD_DIR": str(scratch)}
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
    return Beside(f"http://127.0.0.1:{port}", process, log, scratch)


# Trap: Ray sets OMP_NUM_THREADS=1, and a model on this machine's processor would compute on one thread.
_NOT_INHERITED = {"OMP_NUM_THREADS"}


def _wait_ready(spec: RaySpec, beside: Beside, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not beside.answers():
        if beside.process is not None and beside.process.poll() is not None:
            lines = beside.log.read_text(errors="replace").splitlines() if beside.log else []
            cause = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
            raise LoadFailed(spec.model, cause, paths.shown(beside.log or ""))
        if time.monotonic() > deadline:
            raise NotReady(spec.model, patience_s, f"no answer from {beside.url}/ping")
        time.sleep(_POLL_S)
