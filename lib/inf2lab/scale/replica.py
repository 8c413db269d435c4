"""One replica of a model folder wherever it runs: its cores, devices, time-outs and place, read from the folder."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from inf2lab import catalog
from inf2lab.catalog import Instance
from inf2lab.errors import FolderError, ServerError
from inf2lab.folder import ModelFolder
from inf2lab.planning import Plan, plan_for
from inf2lab.serving.docker_run import COMPILED, RunLine
from inf2lab.settings import Settings
from neuron_rules import GIB, core_groups, dtype_bytes

LOAD_MARGIN_S = 60  # of a probe, beyond the server's own patience: the server is to give up first, and to say why
_FILE_NAME = re.compile(r"[-.\w]{1,253}", re.ASCII)  # what a ConfigMap takes as a key


@dataclass(frozen=True)
class Placement:
    """How many replicas an instance holds, by Neuron devices, and what is left over."""

    instance: str
    devices: int  # of one replica
    replicas: int
    used_cores: int
    cores: int

    @property
    def idle_cores(self) -> int:
        """NeuronCores that are paid for and that no replica uses."""
        return self.cores - self.used_cores

    def __str__(self) -> str:
        if not self.replicas:
            return f"{self.instance}: a replica of {self.devices} devices does not fit"
        text = f"{self.instance}: {self.replicas} x {self.devices} devices"
        if self.idle_cores:
            return f"{text}, wastes {self.idle_cores} of {self.cores} cores"
        return f"{text}, all {self.cores} cores used"


@dataclass(frozen=True)
class Replica:
    """What a scheduler must know of one replica. Settings say the machine; all the rest is read from the folder."""

    settings: Settings
    folder: ModelFolder

    @property
    def line(self) -> RunLine:
        """The same container as `docker run` starts it."""
        settings = replace(self.settings, lane="inf2", network="bridge", docker_options="")
        return RunLine(settings, self.folder, Path("/"), self.image)

    @property
    def image(self) -> str:
        """The container's image."""
        return self.settings.image or self.settings.stack.image

    @property
    def degree(self) -> int:
        """NeuronCores of one copy; raises ServerError."""
        if not (degree := self.line.degree):
            raise ServerError(f"option.tensor_parallel_degree=0 in {self.folder.name}: use 1 or more, or max")
        return degree

    @property
    def devices(self) -> int:
        """Neuron devices of one replica: whole chips, as the device plugin hands them out."""
        return len(self.line.devices)

    @property
    def cores(self) -> int:
        """NeuronCores of those devices; at an odd degree more than the copies use."""
        return self.devices * self.settings.hardware.cores_per_chip

    @property
    def workers(self) -> int:
        """Copies that the server starts in one replica: it fills every core of its devices, asked for or not."""
        return len(core_groups(self.cores, self.degree))

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the container: management on its loopback, the folder's time-outs."""
        timeouts = {"MODEL_LOADING_TIMEOUT": str(self.loading_s), "PREDICT_TIMEOUT": str(self.predict_s)}
        return self.line.environment | timeouts

    @property
    def compiled(self) -> str:
        """Where the container keeps compiled programs."""
        return COMPILED

    @property
    def loading_s(self) -> int:
        """Seconds that the server gives one worker to load; raises FolderError."""
        return self._seconds("model_loading_timeout", self.settings.stack.loading_timeout_s)

    @property
    def weights_on_s3(self) -> str:
        """Bucket and prefix of weights that lie on S3, else empty."""
        name = self.folder.option("model_id")
        return name.removeprefix("s3://") if name.startswith("s3://") else ""

    def all_loaded_s(self, workers: int) -> int:
        """Return the seconds in which so many workers have loaded, or given up: one after the other.

        ModelServer calls WorkerPool.initWorkers for a device at a time, which waits for the worker's process; and
        `parallel_loading` is read for MPI only (djl-serving, PyModel.createAllPyProcesses).
        """
        return workers * self.loading_s

    @property
    def predict_s(self) -> int:
        """Seconds that the server gives an answer; raises FolderError."""
        return self._seconds("predict_timeout", self.settings.stack.predict_timeout_s)

    def at_once(self, workers: int) -> int:
        """Return the requests that so many workers work on at once; raises FolderError.

        A rolling batch takes its rows from as many requests; DJLServing's own batching takes `batch_size` requests
        together; else a worker takes one after the other.
        """
        if self.folder.option("rolling_batch", "disable") != "disable":
            return workers * self._number("max_rolling_batch_size", "32")
        values = self.folder.properties() if self.folder.properties_path.is_file() else {}
        return workers * self._positive("batch_size", values.get("batch_size", "1"))

    def weights_gib(self, workers: int) -> float:
        """Return the disk for so many workers beside each other: the hub's files once, and each one's split copy."""
        request = self.plan.request
        return request.parameters * (2 + dtype_bytes(request.dtype) * workers) / GIB

    def disk_gib(self, replicas: int, workers: int) -> int:
        """Return a machine's disk for replicas of so many workers each: their weights, the image, a fifth more."""
        image = catalog.kubernetes_facts().image_gib
        return math.ceil(1.2 * (self.weights_gib(workers) * replicas + image))

    @property
    def plan(self) -> Plan:
        """The chip's plan for the folder; raises SettingsError."""
        return plan_for(
            self.folder.option("model_id", self.settings.model_id),
            profile=self.settings.profile,
            instance=self.settings.instance,
            tensor_parallel_degree=self.degree,
            batch_size=self._number("batch_size", "1"),
            n_positions=self._number("n_positions", str(self.settings.n_positions)),
            dtype=self.folder.option("dtype", self.settings.dtype),
        )

    def on(self, hardware: Instance) -> Placement:
        """Return how replicas sit on an instance."""
        replicas = hardware.chips // self.devices
        used = replicas * self.degree * self.workers
        return Placement(hardware.name, self.devices, replicas, used, hardware.cores)

    @property
    def placement(self) -> Placement:
        """How replicas sit on the settings' instance."""
        return self.on(self.settings.hardware)

    def placements(self) -> list[Placement]:
        """Return the same for every size of the instance's family."""
        family = self.settings.hardware.family
        return [self.on(size) for size in catalog.instances().values() if size.family == family]

    def files(self) -> dict[str, bytes]:
        """Return the folder's files; raises FolderError for one that is not flat and small, as weights are.

        Hidden ones stay: JupyterLab keeps copies in .ipynb_checkpoints, and the server reads none of them.
        """
        limit = catalog.kubernetes_facts().config_map_bytes
        names = [name for name in self.folder.check().fingerprint() if not name.startswith(".")]
        found = {name: (self.folder.path / name).read_bytes() for name in names}
        odd = [name for name in found if not _FILE_NAME.fullmatch(name)]
        if odd or sum(map(len, found.values())) > limit:
            reason = (
                f"{odd[0] if odd else 'its files together'} cannot travel with the folder (letters, digits, - . _; "
                f"flat; at most {limit >> 20} MiB): name the weights with option.model_id, on the hub or s3://"
            )
            raise FolderError(self.folder.path, reason)
        return found

    def _seconds(self, name: str, default: int) -> int:
        return self._number(name, str(default))

    def _number(self, name: str, default: str) -> int:
        return self._positive(f"option.{name}", self.folder.option(name, default))

    def _positive(self, name: str, text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise FolderError(self.folder.path, f"{name}={text}: write a number from 1 on")
        return int(text)
