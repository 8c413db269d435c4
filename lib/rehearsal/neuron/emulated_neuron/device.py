"""The emulated NeuronCores: refuse what the runtime refuses, place every shard, raise in the runtime's words."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from emulated_neuron.environment import Environment
from neuron_rules import (
    GIB,
    CoreBytes,
    CoreTensor,
    DegreeCheck,
    ModelDims,
    check_degree,
    sum_bytes,
    usable_core_bytes,
)

logger = logging.getLogger("transformers_neuronx")

# What the runtime's calls report when a rule is broken (seen in aws-neuron-sdk#891, optimum-neuron#424 and #619).
_RUNTIME_CALLS = {
    "cores": "nrt_tensor_allocate status=2",
    "degree": "nrt_load_collectives status=2",
    "heads": "nrt_tensor_copy status=2",
}


def claim_cores(degree: int, dims: ModelDims, environment: Environment) -> range:
    """The cores that a model of this degree takes; raises RuntimeError with the rule that forbids it."""
    visible = environment.visible
    check = check_degree(degree, dims, generation=environment.generation, cores=len(visible), family=environment.family)
    if not check.ok:
        _refuse(check)
    for note in check.notes:
        logger.info("rehearsal: %s", note)
    return range(visible.start, visible.start + degree)


def allocate(tensors: Iterable[CoreTensor], cores: range) -> CoreBytes:
    """Place a model's shards on each of `cores`; raises RuntimeError where the first one no longer fits."""
    tensors, limit, used = list(tensors), usable_core_bytes(), 0
    needed = sum_bytes(tensors)
    for tensor in tensors:
        used += tensor.bytes
        if used > limit:
            logger.error("rehearsal: GiB on each of %d NeuronCores:\n%s", len(cores), needed.table())
            raise RuntimeError(
                f'nrt_tensor_allocate status=4 message="Allocation Failure": `{tensor.name}` does not fit; the model '
                f"needs {needed.total / GIB:.2f} GiB on each of {len(cores)} NeuronCores, and of a core's 16 GiB about "
                f"{limit / GIB:.0f} are free for it: use a higher tensor parallel degree, a smaller batch size, "
                "fewer n_positions or a smaller dtype"
            )
    logger.info(
        "rehearsal: GiB on each of %d NeuronCores (%d-%d):\n%s",
        len(cores),
        cores[0],
        cores[-1],
        needed.table(),
    )
    return needed


def _refuse(check: DegreeCheck) -> None:
    reason = check.reasons[0]
    if reason.rule == "degree":
        logger.error("Unsupported topology. %s", reason.text)
    raise RuntimeError(f'{_RUNTIME_CALLS[reason.rule]} message="Invalid": {reason.text}')
