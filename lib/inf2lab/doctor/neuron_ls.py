"""Reading `neuron-ls --json-output`: an array with an object a device, whose keys differ from release to release.

The keys are those of aws-neuron-sdk, tools/neuron-sys-tools/neuron-ls.rst; older tools leave some out, a machine with
one device has `connected_to` null, and `numa_node` is text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inf2lab.errors import LabError


@dataclass(frozen=True)
class NeuronProcess:
    """A process that owns NeuronCores of a device."""

    pid: int
    command: str


@dataclass(frozen=True)
class NeuronDevice:
    """One device: its number, NeuronCores, memory in bytes, the devices it is joined to, and who uses it."""

    number: int
    cores: int
    memory: int
    connected_to: tuple[int, ...]
    processes: tuple[NeuronProcess, ...]


def parse_neuron_ls(text: str) -> tuple[NeuronDevice, ...]:
    """Return the devices by number; raises LabError for a document of another kind."""
    try:
        rows = json.loads(text)
        return tuple(sorted((_device(row) for row in rows), key=lambda device: device.number))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        begin = " ".join(text.split())[:80]
        reason = f"{type(error).__name__}: {error}"
        raise LabError(
            f"neuron-ls printed no list of devices ({reason}): {begin!r}; update aws-neuronx-tools"
        ) from error


def _device(row: Mapping[str, Any]) -> NeuronDevice:
    processes = row.get("neuron_processes") or ()
    return NeuronDevice(
        number=int(row["neuron_device"]),
        cores=int(row["nc_count"]),
        memory=int(row["memory_size"]),
        connected_to=tuple(int(number) for number in row.get("connected_to") or ()),
        processes=tuple(NeuronProcess(int(one["pid"]), str(one.get("command", ""))) for one in processes),
    )
