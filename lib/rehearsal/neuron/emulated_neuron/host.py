"""The computer under the emulation: whether its memory holds what the emulated cores hold, and no more than that."""

from __future__ import annotations

import ctypes

import psutil
import torch

from emulated_neuron.environment import RehearsalError
from neuron_rules import GIB, ModelDims


def check_host_memory(dims: ModelDims, compute: torch.dtype, matrix_dtype: str | None) -> None:
    """Raise RehearsalError where computing with a model of this size would exhaust the computer's memory."""
    needed = dims.parameters * (1 if matrix_dtype == "s8" else compute.itemsize)
    free = psutil.virtual_memory().available
    if needed > free:
        raise RehearsalError(
            f"the emulated NeuronCores hold the model, but this computer does not: it needs about "
            f"{needed / GIB:.0f} GiB and {free / GIB:.0f} GiB are free; rehearse it with stand-in weights, "
            "or run it on an instance"
        )


def return_freed_memory() -> None:
    """Give back what loading took for a moment: glibc keeps it otherwise, an eighth of a small model's size."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have no such function
    if trim is not None:
        trim(0)
