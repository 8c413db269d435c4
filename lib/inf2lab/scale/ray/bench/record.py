"""The rehearsal of scaling out, act by act: on a live cluster where Ray's environment is here, else as it was recorded.

`docs/scale_measured.json` holds a whole run, with its date and machine; `inf2lab scale ray --record FILE` writes one.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inf2lab import paths, records
from inf2lab.endpoint import Endpoint
from inf2lab.errors import LabError, ServerError
from inf2lab.files import write_file
from inf2lab.folder import ModelFolder
from inf2lab.scale.ray.bench import queue, trials
from inf2lab.scale.ray.bench.cluster import NODES, RayCluster
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.bench.queue import Queued
from inf2lab.scale.ray.bench.trials import Growth, Loss, Overhead, Streams
from inf2lab.scale.ray.environment import environment_python
from inf2lab.scale.ray.spec import RaySpec
from inf2lab.serving import Server
from inf2lab.settings import Settings, is_live
from inf2lab.waits import told

FILE = "docs/scale_measured.json"
PROMPTS = ("Hello, I am a", "The river runs")
FULL = 7  # replicas of 8 cores that 24 + 24 + 12 cores have room for


@dataclass(frozen=True)
class Placed:
    """One replica's place: its node by number, and the cores that it may see there."""

    node: int
    cores: tuple[int, ...]

    def __str__(self) -> str:
        return f"node {self.node} ({NODES[self.node]} cores): cores {self.cores[0]:2} to {self.cores[-1]}"


@dataclass(frozen=True)
class Figures:
    """One whole run."""

    date: str
    machine: str
    answer: tuple[str, ...]  # of the folder of notebook 04, through Serve
    placement: tuple[Placed, ...]
    grown: Growth
    shrunk: Growth
    losses: tuple[Loss, ...]
    streams: tuple[Streams, ...]
    overheads: tuple[Overhead, ...]
    queued: tuple[Queued, ...]

    @classmethod
    def read(cls, path: Path) -> Figures:
        """Return the figures of a file that `write` has written."""
        return records.build(cls, json.loads(path.read_text()), path.name)

    def write(self, path: Path) -> None:
        """Write them as JSON, an act a line."""
        lines = [f' "{name}": {json.dumps(value)}' for name, value in _round(dataclasses.asdict(self)).items()]
        write_file(path, "{\n" + ",\n".join(lines) + "\n}\n")


class Stage:
    """The acts in their order. `cluster` is live, recorded, or auto: live where Ray's environment is here.

    INF2LAB_CLUSTER says what auto means for a whole run. The nodes are emulated in either lane; what differs is `ask`,
    which on the chip asks the server of notebook 05.
    """

    def __init__(self, settings: Settings, cluster: str = "auto") -> None:
        """Raises SettingsError for another word."""
        self._chosen = settings
        self.settings = replace(settings, lane="rehearsal")
        self.live = is_live("cluster", cluster, environment_python)
        self.cluster: RayCluster | None = None
        self._told: Figures | None = None

    @property
    def says(self) -> str:
        """One sentence on where the figures come from."""
        if self.live:
            return f"live: {len(NODES)} emulated nodes on this machine of {os.cpu_count()} cores"
        return f"recorded on {self.recorded.date} ({self.recorded.machine}); after `make scale-env` it is live"

    @property
    def recorded(self) -> Figures:
        """The run that ships with the repository."""
        if self._told is None:
            self._told = Figures.read(paths.root() / FILE)
        return self._told

    @property
    def spec(self) -> RaySpec:
        """The application of the light folder."""
        return RaySpec.of(self.settings, light_folder(), max_replicas=FULL)

    def start(self) -> None:
        """Start the nodes, where it is live."""
        if self.live and self.cluster is None:
            self.cluster = RayCluster(NODES)
            with told(print, lambda: "starting the nodes"):
                self.cluster.start()

    def ask(self, folder: ModelFolder, prompts: Sequence[str] = PROMPTS, seq_length: int = 48) -> tuple[str, ...]:
        """Serve a folder by one replica and return its answer through the proxy.

        On the inf2 lane the replica stands before the server of notebook 05, which has the devices and is loaded;
        raises ServerError where none runs.
        """
        return self._act("answer", lambda: self._ask(folder, prompts, seq_length))

    def overhead(self) -> tuple[Overhead, ...]:
        """What one user pays for the way through Serve, with its default proxy and with HAProxy."""
        return self._act("overheads", self._overhead)

    def grow(self) -> Growth:
        """From one replica to seven under 28 users."""
        return self._act("grown", lambda: trials.grow(self._running(1, FULL), self.spec))

    def placement(self) -> tuple[Placed, ...]:
        """Where seven replicas stand."""
        return self._act("placement", self._placement)

    def shrink(self) -> Growth:
        """Back to one, while streams run."""
        return self._act("shrunk", lambda: trials.shrink(self._running(1, FULL), self.spec))

    def lose(self) -> tuple[Loss, ...]:
        """A replica, its server and a node are killed under load."""
        return self._act("losses", self._lose)

    def cut(self) -> tuple[Streams, ...]:
        """Long streams, under a shutdown time-out that is too short and under the right one."""
        return self._act("streams", self._cut)

    def queue(self) -> tuple[Queued, ...]:
        """Three replicas that are busy for a third, and for two thirds, of their time."""
        return self._act("queued", self._queue)

    def close(self) -> list[str]:
        """End the cluster; returns what had to be killed."""
        cluster, self.cluster = self.cluster, None
        return cluster.close() if cluster else []

    def figures(self, folder: ModelFolder, report: Callable[[str], None] = print) -> Figures:
        """Play every act live and return the figures; `folder` is that of notebook 04. Raises LabError."""
        self.start()
        try:
            found: dict[str, Any] = {}
            acts = {
                "answer": lambda: self.ask(folder),
                "grown": self.grow,
                "placement": self.placement,
                "shrunk": self.shrink,
                "queued": self.queue,
                "losses": self.lose,
                "streams": self.cut,
                "overheads": self.overhead,
            }
            for name, act in acts.items():
                found[name] = act()
                report(f"{name}: {_short(found[name])}")
        finally:
            left = self.close()
        if left:
            raise LabError(f"processes of the cluster had to be killed: {'; '.join(left)}")
        today = datetime.date.today().isoformat()
        return Figures(date=today, machine=_machine(), **found)

    def _act(self, name: str, play: Callable[[], Any]) -> Any:
        if not self.live:
            return getattr(self.recorded, name)
        with told(print, lambda: f"at it on the live cluster: {name}"):
            return play()

    def _running(self, fewest: int, most: int) -> RayCluster:
        """Return the cluster with the light application, between so many replicas."""
        cluster = self._started()
        cluster.deploy(replace(self.spec, min_replicas=fewest, max_replicas=most), wait=None if fewest > 1 else 0)
        return cluster

    def _started(self) -> RayCluster:
        if self.cluster is None:
            raise ServerError("the cluster does not run: `stage.start()` first")
        return self.cluster

    def _ask(self, folder: ModelFolder, prompts: Sequence[str], seq_length: int) -> tuple[str, ...]:
        cluster = self._started()
        url = Server.running(self._chosen).url if self._chosen.lane == "inf2" else ""
        cluster.deploy(RaySpec.of(self._chosen, folder, max_replicas=1, url=url))
        trials.wait_settled(cluster, 1)
        return tuple(Endpoint(cluster.url, folder.name).generate(prompts, seq_length))

    def _placement(self) -> tuple[Placed, ...]:
        return tuple(Placed(one.node, one.cores) for one in self._running(FULL, FULL).wait(FULL))

    def _lose(self) -> tuple[Loss, ...]:
        four = replace(self.spec, min_replicas=4, max_replicas=4)
        cluster = self._running(4, 4)
        losses = [lose(cluster, four) for lose in (trials.lose_replica, trials.lose_server, trials.lose_node)]
        cluster.add_node(max(NODES))
        return tuple(losses)

    def _cut(self) -> tuple[Streams, ...]:
        cluster = self._running(1, FULL)
        return tuple(trials.cut(cluster, self.spec, timeout_s=each) for each in (3, None))

    def _queue(self) -> tuple[Queued, ...]:
        three = replace(self.spec, min_replicas=3, max_replicas=3)
        cluster = self._running(3, 3)
        return tuple(queue.queue(cluster, three, rate=rate) for rate in (5, 10))

    def _overhead(self) -> tuple[Overhead, ...]:
        one = replace(self.spec, min_replicas=1, max_replicas=1)
        plain = trials.overhead(self._running(1, 1), one)
        with RayCluster((8,), haproxy=True) as beside:
            beside.deploy(one)
            return plain, trials.overhead(beside, one)


def _machine() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f} at its end"


def _round(value: Any) -> Any:
    """Return the value with times to the millisecond; a moment is its three numbers."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return (
            list(value.values())
            if value.keys() == {"at_s", "replicas", "waiting"}
            else {key: _round(one) for key, one in value.items()}
        )
    return [_round(one) for one in value] if isinstance(value, (list, tuple)) else value


def _short(value: Any) -> str:
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(values[0], str):
        return json.dumps(values)
    kept = [{k: v for k, v in _round(dataclasses.asdict(one)).items() if k != "moments"} for one in values]
    return json.dumps(kept if len(kept) > 1 else kept[0])
