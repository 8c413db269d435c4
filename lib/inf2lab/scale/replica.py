"""One replica of a model folder, placed: its plan, the container that runs it, and how many an instance holds."""

import shlex
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from inf2lab import catalog
from inf2lab.catalog import Instance
from inf2lab.folder import Needs
from inf2lab.planning import Plan, plan_of
from inf2lab.serving import RunLine


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
class Replica(Needs):
    """What a folder asks, the plan for it, and where it fits."""

    @property
    def line(self) -> RunLine:
        """The same container as `docker run` starts it."""
        given = shlex.join(word for variable in self.given for word in ("-e", variable.text))
        settings = replace(self.settings, lane="inf2", network="bridge", docker_options=given)
        return RunLine(settings, self.folder, Path("/"), self.image)

    @cached_property
    def plan(self) -> Plan:
        """The chip's plan for the folder; raises FolderError, SettingsError."""
        return plan_of(self.folder, self.settings)

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
