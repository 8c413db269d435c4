"""One replica of a model folder wherever it runs: its cores, devices, time-outs and place, read from the folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from inf2lab import catalog
from inf2lab.catalog import Instance
from inf2lab.errors import FolderError
from inf2lab.folder import ModelFolder
from inf2lab.planning import Plan, plan_for
from inf2lab.serving._docker_run import COMPILED, RunLine
from inf2lab.settings import Settings

LOAD_MARGIN_S = (
    60  # of a probe, beyond the server's own patience: the server is to give up first, and to say why
)
DRAIN_MARGIN_S = 30


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
        return self.line.degree

    @property
    def devices(self) -> int:
        """Neuron devices of one replica: whole chips, as the device plugin hands them out."""
        return len(self.line.devices)

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
        """Seconds that the server gives a model to load; raises FolderError."""
        return self._seconds("model_loading_timeout", self.settings.stack.loading_timeout_s)

    @property
    def predict_s(self) -> int:
        """Seconds that the server gives an answer; raises FolderError."""
        return self._seconds("predict_timeout", self.settings.stack.predict_timeout_s)

    @property
    def at_once(self) -> int:
        """Requests that one replica works on at once: a rolling batch's rows, else one for each copy."""
        rolling = self.folder.option("rolling_batch", "disable") != "disable"
        rows = self._number("max_rolling_batch_size", "32") if rolling else 1
        return rows * self.settings.copies

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
        used = replicas * self.degree * self.settings.copies
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
        """Return the folder's files; raises FolderError for one that is not flat and small, as weights are."""
        limit = catalog.kubernetes_facts().config_map_bytes
        found = {name: (self.folder.path / name).read_bytes() for name in self.folder.check().fingerprint()}
        nested = [name for name in found if "/" in name]
        if nested or sum(map(len, found.values())) > limit:
            reason = (
                f"{nested[0] if nested else 'its files together'} cannot travel with the folder (flat, at most "
                f"{limit >> 20} MiB): name the weights with option.model_id, on the hub or s3://"
            )
            raise FolderError(self.folder.path, reason)
        return found

    def _seconds(self, name: str, default: int) -> int:
        return self._number(name, str(default))

    def _number(self, name: str, default: str) -> int:
        text = self.folder.option(name, default)
        if not text.isdecimal() or int(text) < 1:
            raise FolderError(self.folder.path, f"option.{name}={text}: write a number from 1 on")
        return int(text)
