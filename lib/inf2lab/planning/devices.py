"""Which Neuron devices each copy of the model sits on, and what a list of `--device` flags is good for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from inf2lab import catalog
from inf2lab.catalog import Instance
from inf2lab.errors import SettingsError
from inf2lab.words import plural
from neuron_rules import core_groups


@dataclass(frozen=True)
class Copy:
    """One worker's copy of the model: its NeuronCores and the Neuron devices they sit on, both counted from 0."""

    cores: range
    devices: range


@dataclass(frozen=True)
class DeviceList:
    """A list of `--device` flags judged: its runs of neighbours, what each copy gets, and what to pass instead."""

    given: tuple[int, ...]
    runs: tuple[tuple[int, ...], ...]
    copies: tuple[tuple[int, ...], ...]  # devices of each worker, in the container's order
    broken: tuple[tuple[int, ...], ...]  # copies whose devices are no neighbours
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
    if not all(re.fullmatch("[0-9]{1,4}", word) for word in words):
        raise SettingsError("devices", text, "write device numbers with commas between them, as in 0,1,2")
    return tuple(map(int, words))


def judge_devices(hardware: Instance, degree: int, devices: Iterable[int]) -> DeviceList:
    """Judge a list of devices for copies of `degree` cores; raises SettingsError for a device that is not there.

    Copies take devices in ascending order of their number, whatever the order of the flags. Only devices that
    links join may work together, a torus is handed out in certain numbers (catalog.topology names the source), and
    inside a container the numbers run from 0 without gaps.
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
    runs = neighbour_runs(hardware, given)
    broken = tuple(copy for copy in copies if len(neighbour_runs(hardware, copy)) > 1)
    sizes = catalog.topology(hardware.topology).container_devices or (len(given),)
    number = next(size for size in (*sizes, hardware.chips) if size >= len(given))
    found = DeviceList(given, runs, copies, broken, tuple(range(number)), "")
    return replace(found, text=_sentence(found, degree, sizes, hardware.topology))


def neighbour_runs(hardware: Instance, devices: Iterable[int]) -> tuple[tuple[int, ...], ...]:
    """Split devices into groups that the instance's links join: runs on a ring, patches on a torus."""
    columns = catalog.topology(hardware.topology).columns
    if columns is None:
        return ring_runs(devices, hardware.chips)
    left, patches = sorted(set(devices)), []
    while left:
        patch, edge = {left[0]}, [left[0]]
        while edge:
            reached = torus_neighbours(edge.pop(), hardware.chips, columns).intersection(left) - patch
            patch |= reached
            edge += reached
        patches.append(tuple(sorted(patch)))
        left = [device for device in left if device not in patch]
    return tuple(patches)


def torus_neighbours(device: int, chips: int, columns: int) -> set[int]:
    """Return the devices one link away: left, right, above and below, round the edges."""
    row, column = divmod(device, columns)
    beside = {row * columns + (column + step) % columns for step in (-1, 1)}
    return beside | {(device + step * columns) % chips for step in (-1, 1)}


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


def _sentence(found: DeviceList, degree: int, sizes: tuple[int, ...], topology: str) -> str:
    number, copies = len(found.given), len(found.copies)
    if not copies:
        return f"{number} devices have fewer cores than degree {degree}: no worker starts"
    text = f"{plural(number, 'device')} for {plural(copies, 'worker')} at degree {degree}"
    wrong_number = number not in sizes
    if not found.broken:
        text += "; each sits on neighbours" if copies > 1 else "; it sits on neighbours"
    else:
        apart = "; ".join(", ".join(map(str, copy)) for copy in found.broken)
        text += (
            f", {len(found.broken)} of them on devices that are not neighbours on the {topology} ({apart}); "
            f"the list has {len(found.runs)} runs of neighbours"
        )
    if wrong_number:
        text += f"; a container on this {topology} is given {', '.join(map(str, sizes))} devices"
    gaps = found.given != tuple(range(number))
    if gaps:  # aws-neuron-sdk, deploy/troubleshooting.rst: "Could not open the nd1", "Neuron cores are not contiguous"
        text += "; the runtime wants device numbers from 0 on without gaps"
    if found.broken or wrong_number or gaps:
        text += f". Pass {' '.join(f'--device /dev/neuron{device}' for device in found.instead)}"
    return text
