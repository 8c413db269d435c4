"""The laptop's Ray cluster: started from the laboratory's environment in Ray's own, looked at, hurt and ended."""

from __future__ import annotations

import contextlib
import json
import os
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
from typing import IO, Any

import psutil

from inf2lab import paths
from inf2lab.errors import EngineError, LoadFailed, NotReady, ServerError
from inf2lab.folder import ModelFolder
from inf2lab.scale.ray.environment import environment, environment_python, hold_port
from inf2lab.scale.ray.spec import FAILED, LIVES, RaySpec
from inf2lab.serving import ContainerServer, all_servers, stop_labelled
from inf2lab.settings import Settings
from inf2lab.weights import prepare_standin

NODES = (24, 24, 12)  # two inf2.48xlarge and an inf2.24xlarge
PROGRAM = "inf2lab.scale.ray.bench.nodes"
# Short: HAProxy takes 97 characters for its socket, and Ray's names below a cluster's folder have 76 of them.
HOMES, HOME = Path("/tmp"), "inf2ray-"
OWNER = "owner"  # file with the process id of who started it
PATIENCE_S = 240  # for replicas to come or go, and in the rehearsal also to load: many times what that takes


@dataclass(frozen=True)
class LiveReplica:
    """One replica as it described itself: where it runs, its processes, and the cores that Ray made visible to it."""

    id: str
    node: int
    pid: int
    server_pid: int
    url: str
    cores: tuple[int, ...]
    load_s: float


class RayCluster:
    """Emulated nodes with NeuronCores, on loopback, and one application on them.

    with RayCluster() as cluster: cluster.deploy(spec); cluster.wait(7)
    """

    def __init__(self, nodes: Sequence[int] = NODES, *, haproxy: bool = False) -> None:
        self.cores, self.haproxy = list(nodes), haproxy
        self._held: list[socket.socket] = []  # ports of the proxies: clients', HAProxy's statistics and metrics
        self._process: subprocess.Popen[str] | None = None
        self._home: Path | None = None
        self._node_ids: list[str] = []
        self._model = ""  # what was deployed last

    @property
    def url(self) -> str:
        """Where clients ask: Serve's proxy."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def _ports(self) -> list[int]:
        return [held.getsockname()[1] for held in self._held]

    @property
    def home(self) -> Path:
        """The temporary folder with all that it writes; raises ServerError before the first start."""
        if self._home is None:
            raise ServerError("the Ray cluster was not started: `cluster.start()` first")
        return self._home

    @property
    def log_path(self) -> Path:
        """What Ray printed. Each has its own, or the next would erase why one ended; `cluster.log` is the newest."""
        return paths.logs() / "ray" / f"{self.home.name}.log"

    def __enter__(self) -> RayCluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the nodes and the proxy, and end what killed ones left; raises ServerError."""
        python = environment_python()
        sweep()
        self._home = Path(tempfile.mkdtemp(prefix=HOME, dir=HOMES))
        (self.home / OWNER).write_text(str(os.getpid()))
        for name in ("home", "notes", "scratch", "haproxy", "ray"):
            (self.home / name).mkdir()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        newest = self.log_path.with_name("cluster.log")
        with contextlib.suppress(FileExistsError):  # somebody else's cluster may start at the same time
            newest.unlink(missing_ok=True)
            newest.symlink_to(self.log_path.name)
        self._held = [hold_port() for _ in range(3)]
        port, *others = self._ports
        cores = ",".join(map(str, self.cores))
        with self.log_path.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", PROGRAM, *map(str, (cores, port, self.home))],
                env=environment(self.home, (others[0], others[1]) if self.haproxy else None),
                cwd=paths.root(),
                text=True,
                bufsize=1,
                process_group=0,  # Ctrl-C is for this program, which then ends that one
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self._read(self._process)
            self._node_ids = [node["id"] for node in self.status()["nodes"]]
        except ServerError:
            self.close()
            raise

    def deploy(self, spec: RaySpec, *, wait: int | None = None) -> RaySpec:
        """Deploy or change the application and wait for `wait` replicas, by default its fewest, 0 for none.

        Returns what was deployed, with what only this machine knows; raises LoadFailed, NotReady or ServerError.
        """
        settings = Settings(**spec.settings)
        if not spec.url:
            self._prepare(spec, settings)
        filled = replace(
            spec,
            settings=spec.settings | {"docker_options": self._options(settings)},
            python=sys.executable,
            notes=str(self.home / "notes"),
            scratch=str(self.home / "scratch"),
            loopback=True,
        )
        for note in self._notes(FAILED):
            note.unlink()
        self._order("deploy", described=filled.as_dict())
        self._model = filled.model
        if wait != 0:
            # The chip loads for minutes; in the rehearsal whoever waits that long waits for nothing.
            longest_s = spec.loading_s + PATIENCE_S if settings.lane == "inf2" else PATIENCE_S
            self.wait(wait or filled.min_replicas, timeout_s=longest_s)
        return filled

    def status(self) -> dict[str, Any]:
        """Return Serve's own view: application, replicas by state, nodes."""
        return self._order("status")

    def replicas(self) -> list[LiveReplica]:
        """Return the deployed model's replicas whose process and server live, by node and cores."""
        found = []
        for note in self._notes(LIVES):
            with contextlib.suppress(OSError, ValueError):
                told = json.loads(note.read_text())
                if (
                    told["model"] == self._model
                    and _lives(told["pid"])
                    and (not told["server_pid"] or _lives(told["server_pid"]))
                ):
                    found.append(self._replica(told))
        return sorted(found, key=lambda one: (one.node, one.cores))

    def wait(self, count: int, *, timeout_s: float = PATIENCE_S) -> list[LiveReplica]:
        """Wait until exactly `count` replicas live and return them; raises LoadFailed or NotReady."""
        started = looked = time.monotonic()
        while len(found := self.replicas()) != count:
            now = time.monotonic()
            if now > looked + 1:
                looked = now
                told = self.status()
                if told["application"] == "DEPLOY_FAILED":
                    raise self._load_failed(told["message"])
                if now > started + timeout_s:
                    reason = f"{len(found)} of {count} replicas; {told}"
                    raise NotReady("the Ray application", timeout_s, reason)
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
        if self._home is None:
            return []
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._pipe(self._process.stdin).close()  # the program's sign to end
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
            self._pipe(self._process.stdout).close()
            self._process = None
        while self._held:
            self._held.pop().close()
        with contextlib.suppress(EngineError):  # no engine, no container
            lines += [f"container {name}" for name in stop_labelled(self._label)]
        shutil.rmtree(self.home, ignore_errors=True)
        return lines

    def _notes(self, kind: str) -> list[Path]:
        return list((self.home / "notes").glob(f"*{kind}"))

    def _load_failed(self, message: str) -> LoadFailed:
        """Return the error that a replica wrote down, or one with the last line of what Serve says."""
        for note in self._notes(FAILED):
            return LoadFailed(**json.loads(note.read_text()))
        lines = [line.strip() for line in message.splitlines() if line.strip()]
        return LoadFailed(self._model, lines[-1] if lines else "no reason", paths.shown(self.log_path))

    @property
    def _label(self) -> str:
        """What the containers of this cluster carry; the processes carry the folder as well."""
        return f"inf2lab.ray={self.home}"

    def _options(self, settings: Settings) -> str:
        """Return the further words of `docker run`, with the label once: Serve restarts replicas whose words change."""
        options, mark = settings.docker_options, f"--label {self._label}"
        return options if settings.lane != "inf2" or mark in options else f"{options} {mark}".strip()

    def _prepare(self, spec: RaySpec, settings: Settings) -> None:
        """Fetch once, here, what every replica's server would look for: the image, or the stand-in's weights."""
        folder = ModelFolder(Path(spec.folder))
        if settings.lane == "rehearsal":
            if model_id := folder.option("model_id"):
                prepare_standin(model_id)
            return
        if len(self.cores) > 1:
            raise ServerError(
                f"{len(self.cores)} nodes on the inf2 lane: their cores would be the same devices. This machine is "
                f"one node, RayCluster([{settings.hardware.cores}]); for more machines there is `--manifest`"
            )
        others = [] if self._model else all_servers()  # after the first deployment the replicas' own are among them
        for server in others:
            if server.settings.lane == "inf2" and server.exists():
                raise ServerError(
                    f"{server.folder.name} at {server.url} holds Neuron devices that Ray would give to a replica: "
                    "`inf2lab stop` first"
                )
        server = ContainerServer(settings, folder)
        server.check()
        server.pull(print)

    def _replica(self, told: dict[str, Any]) -> LiveReplica:
        node = self._node_ids.index(told["node"]) if told["node"] in self._node_ids else -1
        cores = tuple(int(core) for core in told["visible_cores"].split(",") if core)
        return LiveReplica(told["id"], node, told["pid"], told["server_pid"], told["url"], cores, told["load_s"])

    def _order(self, order: str, **arguments: Any) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"the Ray cluster has ended; what it printed: {paths.shown(self.log_path)}")
        pipe = self._pipe(self._process.stdin)
        pipe.write(json.dumps({"order": order} | arguments) + "\n")
        pipe.flush()
        return self._read(self._process)

    def _read(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        line = self._pipe(process.stdout).readline()
        if not line:
            raise ServerError(f"the Ray cluster ended; what it printed: {paths.shown(self.log_path)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ServerError(f"the Ray cluster: {answer['error']}")
        return answer

    @staticmethod
    def _pipe(end: IO[str] | None) -> IO[str]:
        assert end is not None  # each process here is started with pipes
        return end


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that carry a cluster's folder in their environment: nobody else's have it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mark = process.environ().get("HOME")
            if mark == str(home / "home") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def sweep() -> None:
    """End what is left of a cluster whose program was killed with its parent, or has it not removed its folder.

    While who started it lives, or the program still ends its nodes, a folder stays.
    """
    for home in HOMES.glob(f"{HOME}*"):
        with contextlib.suppress(OSError, ValueError):  # gone by now, or only just made
            if home.stat().st_uid != os.geteuid() or psutil.pid_exists(int((home / OWNER).read_text())):
                continue
            left = processes_of(home)
            with contextlib.suppress(psutil.Error):
                if not any(PROGRAM in process.cmdline() for process in left):
                    for process in left:
                        process.kill()
                    psutil.wait_procs(left, timeout=10)  # else they write into what is removed
                    shutil.rmtree(home, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
