"""What loading takes on the host: memory as the folder's handler reads the checkpoint, and disk."""

import math
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.folder import Reading
from inf2lab.planning.request import Request
from inf2lab.words import plural
from neuron_rules import GIB, HostPeak, dtype_bytes, host_peak

SCRATCH_GIB = 16  # room, not a measurement: the compilers' files in /tmp, their programs, logs
SYSTEM_GIB = 1  # of the machine, for everything that is not the server


@dataclass(frozen=True)
class Host:
    """GiB on the host at the most, with workers that load one after the other, and one worker's own.

    `split_gib`, `once_gib` and `f32_gib` are the same for other ways to read: split, in the cores' format, in f32.
    """

    peak_gib: float
    worker_gib: float
    split_gib: float
    once_gib: float
    f32_gib: float
    instance_gib: int
    disk_gib: float
    text: str


def peak(request: Request, reading: Reading | None = None) -> HostPeak:
    """Return what a worker takes of the host, read as the request's handler does or otherwise."""
    read = reading or request.read
    return host_peak(
        request.model,
        dtype=request.dtype,
        n_positions=request.n_positions,
        read_as=read.dtype,
        copies=read.copies,
        rates=catalog.loading_facts().host,
        parameters=request.parameters,
    )


def can_load(request: Request) -> bool:
    """Whether the instance's host has room to load one copy."""
    return peak(request).of(1) + SYSTEM_GIB <= request.hardware.host_gib


def weights_gib(request: Request, workers: int) -> float:
    """Return the disk for so many workers beside each other: the hub's files once, and each one's split copy."""
    return request.parameters * (2 + dtype_bytes(request.dtype) * workers) / GIB


def replica_disk_gib(request: Request, workers: int) -> int:
    """Return what a replica of so many workers may write: their weights, and what compiling them leaves."""
    return math.ceil(weights_gib(request, workers) + SCRATCH_GIB)


def machine_disk_gib(request: Request, replicas: int, workers: int) -> int:
    """Return a machine's disk for replicas of so many workers each: what they write, the image, a fifth more."""
    image = catalog.kubernetes_facts().image_gib
    return math.ceil(1.2 * (replica_disk_gib(request, workers) * replicas + image))


def host_needs(request: Request, workers: int) -> Host:
    """Return the host's share of loading so many workers: the last one loads while the others serve.

    DJLServing starts one after the other (`Needs.all_loaded_s`). The disk gets the hub's files and the split copy.
    """
    one = peak(request)
    ways = [Reading(request.dtype, 0, ""), Reading(request.dtype, 1, ""), Reading("f32", 1, "")]
    split, once, f32 = (peak(request, way).of(workers) for way in ways)
    most, room = one.of(workers), request.hardware.host_gib
    text = _sentence(request, workers, most, split)
    return Host(most, one.of(1), split, once, f32, room, weights_gib(request, 1), text)


def _sentence(request: Request, workers: int, most: float, split: float) -> str:
    read, room = request.read, request.hardware.host_gib
    many = f"{plural(workers, 'worker')} one after the other take" if workers > 1 else "one worker takes"
    loads = f"to load, {many} up to {most:.0f} of {room} GiB ({read.text})"
    if most + SYSTEM_GIB <= room:
        return loads
    if read.lighter and (less := peak(request, read.lighter).of(workers)) + SYSTEM_GIB <= room:
        return f"{loads}: with {read.remedy} it would be {less:.0f}"
    if split + SYSTEM_GIB <= room:
        return f"{loads}: convert the model elsewhere and load the split checkpoint ({split:.0f} GiB)"
    return f"{loads}, and {split:.0f} even layer by layer: choose an instance with more memory"
