"""Which Neuron devices each copy of the model sits on, and what a list of `--device` flags is good for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from inf2lab.catalog import Instance
from inf2lab.errors import SettingsError
from neuron_rules import core_groups


@dataclass(frozen=True)
class Copy:
    """One worker's copy of the model: its NeuronCores and the Neuron devices they sit on, both counted from 0."""

    cores: range
    devices: range


@dataclass(frozen=True)
class DeviceList:
    """A list of `--device` flags judged: its runs on the ring, what each copy would get, and what to pass instead."""

    given: tuple[int, ...]
    runs: tuple[tuple[int, ...], ...]
    copies: tuple[tuple[int, ...], ...]  # devices of each worker, in the container's order
    broken: tuple[tuple[int, ...], ...]  # those that are not neighbours
    instead: tuple[int, ...]
    text: str


def copies_of(hardware: Instance, degree: int) -> tuple[Copy, ...]:
    """Return the copies that a server starts: cores / degree workers, each with the whole model."""
    per_chip = hardware.cores_per_chip
    return tuple(
        Copy(cores, range(cores.start // per_chip, (cores.stop - 1) // per_chip + 1))
        for cores in core_groups(hardware.cores, degree)
    )


def parse_devices(text: str) -> tuple[int, ...]:
    """Return the numbers of "0,10,2" or "/dev/neuron0,/dev/neuron10"; raises SettingsError."""
    words = [word.strip().removeprefix("/dev/neuron") for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() for word in words):
        raise SettingsError("devices", text, "write device numbers with commas between them, as in 0,1,2")
    return tuple(map(int, words))


def judge_devices(hardware: Instance, degree: int, devices: Iterable[int]) -> DeviceList:
    """Judge a list of devices for copies of `degree` cores; raises SettingsError for a device that is not there.

    Copies take devices in ascending order of their number, whatever the order of the flags; on a ring only
    neighbours may work together (aws-neuron-sdk, containers/tutorials/k8s-neuron-scheduler.rst).
    """
    given = tuple(sorted(set(devices)))
    if not given or given[0] < 0 or given[-1] >= hardware.chips:
        reason = f"{hardware.name} has devices 0 to {hardware.chips - 1}"
        raise SettingsError("devices", ",".join(map(str, given)), reason)
    per_chip = hardware.cores_per_chip
    groups = core_groups(len(given) * per_chip, degree)
    copies = tuple(
        tuple(given[core] for core in range(cores.start // per_chip, (cores.stop - 1) // per_chip + 1))
        for cores in groups
    )
    runs = ring_runs(given, hardware.chips)
    broken = tuple(copy for copy in copies if len(ring_runs(copy, hardware.chips)) > 1)
    instead = tuple(range(len(given)))
    return DeviceList(given, runs, copies, broken, instead, _sentence(given, degree, copies, broken, runs))


def ring_runs(devices: Iterable[int], chips: int) -> tuple[tuple[int, ...], ...]:
    """Split devices into runs of neighbours on a ring of `chips`: 0, 1, 10, 11 of 12 are one run, from 10 to 1."""
    runs: list[list[int]] = []
    for device in sorted(set(devices)):
        if runs and device == runs[-1][-1] + 1:
            runs[-1].append(device)
        else:
            runs.append([device])
    if len(runs) > 1 and runs[0][0] == 0 and runs[-1][-1] == chips - 1:
        runs[0] = runs.pop() + runs[0]
    return tuple(tuple(run) for run in runs)


def _sentence(given: tuple, degree: int, copies: tuple, broken: tuple, runs: tuple) -> str:
    if not copies:
        return f"{len(given)} devices have fewer cores than degree {degree}: no worker starts"
    start = f"{len(given)} devices make {len(copies)} copies at degree {degree}"
    if not broken:
        return f"{start}; each sits on neighbours"
    flags = " ".join(f"--device /dev/neuron{number}" for number in range(len(given)))
    apart = "; ".join(", ".join(map(str, copy)) for copy in broken)
    return (
        f"{start}, and {len(broken)} of them on devices that are not neighbours on the ring ({apart}); "
        f"the list has {len(runs)} runs of neighbours. Pass {flags}"
    )
