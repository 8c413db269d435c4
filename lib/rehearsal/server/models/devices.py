"""On which devices a model is placed, and what a worker is told about the cores it owns."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from rehearsal.server.errors import ApiError, ModelLoadError
from rehearsal.server.java import parse_int, split

DEGREE_HELP = "https://github.com/aws-neuron/transformers-neuronx#tensor-parallelism-support"


@dataclass(frozen=True)
class Device:
    """One place a worker runs on: `cpu`, `gpu` and a number, `nc` and its first NeuronCore, or any other word."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}({self.number})" if self.kind.isalpha() and self.kind != "cpu" else f"{self.kind}()"


CPU = Device("cpu", -1)


def parse_device(name: str) -> Device:
    """The device of a name as DJL reads it: letters and a number, a GPU's number, several with `+`; "" is the CPU.

    Raises the ApiError of a name that is none of these.
    """
    if not name:
        return CPU
    if "+" in name:
        return _joined([parse_device(part) for part in split(name, r"\+")])
    if match := re.fullmatch("([a-z]+)([0-9]*)", name):
        number = parse_int(match[2] or "-1")
        return CPU if match[1] == "cpu" else Device(match[1], number)
    try:
        number = parse_int(name)
    except ApiError:
        raise ApiError.illegal_argument(f"Failed to parse device name: {name}") from None
    return CPU if number < 0 else Device("gpu", number)


def _joined(devices: list[Device]) -> Device:
    ordered = sorted(devices, key=lambda device: (device.kind, device.number))
    return Device("+".join(f"{device.kind}{device.number}" for device in ordered), -1)


def device_names(load_on_devices: str, neuron_cores: int, degree: int) -> list[str]:
    """The device names for a model; `*` spreads it over the emulated cores, `degree` cores a worker.

    Raises ModelLoadError when there are cores, but fewer than the degree asks for.
    """
    if load_on_devices != "*":
        return split(load_on_devices, ";") if load_on_devices else ["-1"]
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
    """How many workers a model may have on a device when nobody says; any kind but `nc` counts as a CPU."""
    if device.kind == "nc":
        return 1
    threads, processors = parse_int(environ.get("OMP_NUM_THREADS", "-1")), os.cpu_count() or 1
    return processors // min(threads, processors) if threads > 0 else 2
