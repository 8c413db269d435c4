"""A plan: everything that follows from the parameters before anything is started."""

from __future__ import annotations

from dataclasses import dataclass

from inf2lab.settings import Settings
from neuron_rules import (
    CoreBytes,
    DegreeCheck,
    MemoryVerdict,
    bytes_per_core,
    check_degree,
    core_groups,
    judge_memory,
)


@dataclass(frozen=True)
class Copy:
    """One worker's copy of the model: its NeuronCores and the Neuron devices they sit on, both counted from 0."""

    cores: range
    devices: range


@dataclass(frozen=True)
class Plan:
    """The verdicts on one set of parameters. `memory` is bytes on each core; `copies` are workers of their own."""

    settings: Settings
    degrees: tuple[DegreeCheck, ...]
    memory: CoreBytes
    verdict: MemoryVerdict
    copies: tuple[Copy, ...]

    @property
    def idle_cores(self) -> int:
        """NeuronCores of the instance that no copy uses."""
        return self.settings.hardware.cores - sum(len(copy.cores) for copy in self.copies)


def plan(settings: Settings, degrees: tuple[int, ...] = (1, 2, 3, 4, 8, 12, 16, 24)) -> Plan:
    """Return the plan of `settings`, with a verdict on each of `degrees`."""
    hardware, model, generation = settings.hardware, settings.model, settings.generation
    checks = tuple(
        check_degree(degree, model, generation=generation, cores=hardware.cores, family=hardware.family)
        for degree in degrees
    )
    memory = bytes_per_core(
        model,
        generation=generation,
        degree=settings.tensor_parallel_degree,
        batch_size=settings.batch_size,
        n_positions=settings.n_positions,
        dtype=settings.dtype,
    )
    cores_a_device = hardware.cores // hardware.chips
    copies = tuple(
        Copy(cores, range(cores.start // cores_a_device, (cores.stop - 1) // cores_a_device + 1))
        for cores in core_groups(hardware.cores, settings.tensor_parallel_degree)
    )
    return Plan(settings, checks, memory, judge_memory(memory), copies)
