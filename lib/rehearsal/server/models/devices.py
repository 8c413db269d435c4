"""On which devices a model is placed, and what a worker is told about the cores it owns."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from rehearsal.server.errors import ModelLoadError
from rehearsal.server.java import parse_int

DEGREE_HELP = "https://github.com/aws-neuron/transformers-neuronx#tensor-parallelism-support"


@dataclass(frozen=True)
class Device:
    """One place a worker runs on: `cpu`, a GPU number, or `nc` and its first NeuronCore."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}({self.number if self.number >= 0 else ''})"


def parse_device(name: str) -> Device:
    """The device of a name as DJL reads it: `-1`, `cpu`, `0` (a GPU), `nc2`."""
    if name in ("-1", "", "cpu"):
        return Device("cpu", -1)
    match = re.fullmatch(r"([a-z]*)(\d+)", name)
    if match is None:
        raise ModelLoadError("NumberFormatException", f'For input string: "{name}"')
    return Device(match[1] or "gpu", int(match[2]))


def device_names(load_on_devices: str, neuron_cores: int, degree: int) -> list[str]:
    """The device names for a model; `*` spreads it over the emulated cores, `degree` cores a worker.

    Raises ModelLoadError when there are cores, but fewer than the degree asks for.
    """
    if load_on_devices != "*":
        return load_on_devices.split(";") if load_on_devices else ["-1"]
    if neuron_cores < 1:
        return ["-1"]
    step = max(degree, 1)
    if neuron_cores // step == 0:
        raise ModelLoadError(
            "EngineException",
            f"Neuron devices are not enough to run {degree} partitions. Please refer to: {DEGREE_HELP}",
        )
    return [f"nc{i * step}" for i in range(neuron_cores // step)]


def visible_cores(device: Device, degree: int) -> str | None:
    """NEURON_RT_VISIBLE_CORES for a worker on this device, one core where no degree is stated; None off Neuron."""
    if device.kind != "nc":
        return None
    return f"{device.number}-{device.number + degree - 1}" if degree > 0 else str(device.number)


def default_max_workers(device: Device, environ: Mapping[str, str]) -> int:
    """How many workers a model may have on a device when serving.properties does not say."""
    if device.kind != "cpu":
        return 1
    threads = environ.get("OMP_NUM_THREADS")
    if threads is None:
        return 2
    return max(1, (os.cpu_count() or 1) // max(1, parse_int(threads)))
