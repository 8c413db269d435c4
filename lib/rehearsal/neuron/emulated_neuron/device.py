"""The emulated NeuronCores: refuse what the runtime refuses, place every shard, raise in the runtime's words."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from emulated_neuron import dtypes
from emulated_neuron.cores import own_cores
from emulated_neuron.environment import Environment
from emulated_neuron.report import RehearsalReport
from neuron_rules import (
    GIB,
    CoreBytes,
    CoreTensor,
    DegreeCheck,
    ModelDims,
    all_reduces_per_step,
    check_degree,
    core_tensors,
    host_bytes,
    padded_heads,
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


def place(
    dims: ModelDims,
    environment: Environment,
    *,
    stand_in: bool,
    degree: int,
    batch_size: int,
    n_positions: int,
    amp: str,
    matrix_dtype: str | None,
    token_buckets: tuple[int, ...],
    context_buckets: tuple[int, ...],
) -> RehearsalReport:
    """Place a model on the cores and return what they then hold; raises RuntimeError as claim_cores and allocate do."""
    cores = claim_cores(degree, dims, environment)
    tensors = core_tensors(
        dims,
        generation=environment.generation,
        degree=degree,
        batch_size=batch_size,
        n_positions=n_positions,
        dtype=dtypes.split_amp(amp)[0],
        matrix_dtype=matrix_dtype,
        vocab_divisor=environment.vocab_divisor,
    )
    return RehearsalReport(
        model=dims.name,
        stand_in=stand_in,
        generation=environment.generation.name,
        cores=tuple(cores),
        tp_degree=degree,
        batch_size=batch_size,
        n_positions=n_positions,
        amp=amp,
        core_bytes=allocate(tensors, cores),
        heads=dims.heads,
        padded_heads=padded_heads(dims, degree, environment.generation),
        token_buckets=token_buckets,
        context_buckets=context_buckets,
        all_reduces_per_step=all_reduces_per_step(dims, degree),
        host_bytes=host_bytes(dims),
    )


def claim_cores(degree: int, dims: ModelDims, environment: Environment) -> range:
    """The cores that a model of this degree takes; raises RuntimeError with what forbids it."""
    visible = own_cores(environment)
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
        "rehearsal: GiB on each of %d NeuronCores (%d-%d):\n%s", len(cores), cores[0], cores[-1], needed.table()
    )
    return needed


def _refuse(check: DegreeCheck) -> None:
    reason = check.reasons[0]
    if reason.rule == "degree":
        logger.error("Unsupported topology. %s", reason.text)
    raise RuntimeError(f'{_RUNTIME_CALLS[reason.rule]} message="Invalid": {reason.text}')
