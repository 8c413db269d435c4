"""The computer under the emulation: whether its memory holds the weights that the emulated cores hold."""

from __future__ import annotations

import psutil
import torch

from neuron_rules import GIB, ModelDims

from ._environment import RehearsalError


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
