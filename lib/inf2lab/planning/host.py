"""What loading takes on the host: memory and disk, from the checkpoint's size and the number of workers."""

import math
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.planning.request import Request
from neuron_rules import GIB, dtype_bytes, host_bytes

# OPT-13B, 24 GiB in f16, is documented on the 32 GiB of a trn1.2xlarge; the system and the compiler need the rest.
USABLE_SHARE = 0.8
SCRATCH_GIB = 16  # room, not a measurement: the compilers' files in /tmp, their programs, logs


@dataclass(frozen=True)
class Host:
    """GiB on the host while all workers load at once: from a split checkpoint, held once in dtype, held in f32."""

    split_gib: float
    once_gib: float
    f32_gib: float
    instance_gib: int
    disk_gib: float
    text: str


def held_once_gib(request: Request) -> float:
    """Return what one worker needs that holds the whole model in its dtype, as every conversion does."""
    return request.parameters * dtype_bytes(request.dtype) / GIB


def can_convert(request: Request) -> bool:
    """Whether the instance's host has room to hold the model once, which loading it for the first time takes."""
    return held_once_gib(request) <= USABLE_SHARE * request.hardware.host_gib


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
    """Return the host's share of loading.

    A worker that loads the ordinary way holds the whole model, in f32 at the worst (issues aws-neuron-sdk#706,
    aws-neuron-samples#10); one that reads a split checkpoint holds a layer and the embeddings. The disk gets
    the hub's files, two bytes a parameter, and the split copy.
    """
    model, copies = request.model, max(1, workers)
    room, size = request.hardware.host_gib, dtype_bytes(request.dtype)
    layer = (model.parameters - model.vocab * model.hidden) // model.layers
    split = copies * (host_bytes(model) + layer * size) / GIB
    once, f32 = copies * held_once_gib(request), copies * request.parameters * 4 / GIB
    return Host(split, once, f32, room, weights_gib(request, 1), _sentence(copies, split, once, f32, room))


def _sentence(copies: int, split: float, once: float, f32: float, room: int) -> str:
    who = "to load, one worker" if copies == 1 else f"to load at once, {copies} workers"
    if f32 <= room:
        return f"{who} may take up to {f32:.0f} of {room} GiB, even in f32"
    if once <= room:
        return f"{who} may take {once:.0f} of {room} GiB with low_cpu_mem_usage; in f32 {f32:.0f} would not fit"
    if split <= room:
        return (
            f"{who} would take {once:.0f} to {f32:.0f} of {room} GiB: convert the model elsewhere and load the "
            f"split checkpoint ({split:.0f} GiB)"
        )
    return f"{who} do not fit into {room} GiB even layer by layer: choose an instance with more memory"
