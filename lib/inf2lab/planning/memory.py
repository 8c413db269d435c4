"""Whether a model fits on its cores: by the arithmetic, by what others have seen, and what would make it fit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from inf2lab import catalog
from inf2lab.planning.degrees import check
from inf2lab.planning.request import INT8, Request
from neuron_rules import (
    CONTEXT_RESERVE_GIB,
    GENERATIONS,
    RESERVE_BRACKET_GIB,
    CoreBytes,
    Fit,
    MemoryVerdict,
    ModelDims,
    bytes_per_core,
    dtype_bytes,
    judge_memory,
)

FEW_ROWS = 16  # up to this batch size every smaller one is tried, beyond it halves
DISTINCT_SIZES = ("hidden", "layers", "heads", "kv_heads", "ffn", "vocab")


@dataclass(frozen=True)
class Memory:
    """Bytes on each core, the verdict, the runtime's share in GiB (low, high), and what would make the model fit."""

    core: CoreBytes
    verdict: MemoryVerdict
    by_rule: MemoryVerdict  # before documented cases are looked at
    evidence: tuple[catalog.MemoryCase, ...]
    reserve_gib: tuple[float, float]
    remedies: tuple[str, ...]


def judge(request: Request, *, remedies: bool = True) -> Memory:
    """Return the memory verdict on the request; `remedies` False leaves out the search for what would fit."""
    core = core_bytes(request)
    # A model that this generation has no class for runs with a later one, and those have prompt programs.
    later = request.model.architecture not in request.generation.architectures
    prompt_programs = request.generation.context_buckets or later
    by_rule = judge_memory(core, prompt_programs=prompt_programs)
    evidence = tuple(case for case in catalog.memory_cases() if _bounds(case, request))
    verdict = by_rule
    if by_rule.fit is Fit.UNCERTAIN and evidence:
        case = evidence[0]
        fit = Fit.FITS if case.fits else Fit.DOES_NOT_FIT
        seen = f"batch {case.batch_size}, {case.n_positions} positions at degree {case.degree}"
        text = f"{fit}: {seen} is documented ({case.source}; seen with {case.seen_with}). By arithmetic {by_rule.text}"
        verdict = MemoryVerdict(fit, text)
    reserve = (RESERVE_BRACKET_GIB[0], CONTEXT_RESERVE_GIB if prompt_programs else RESERVE_BRACKET_GIB[1])
    found = tuple(_remedies(request)) if remedies and verdict.fit is not Fit.FITS else ()
    return Memory(core, verdict, by_rule, evidence, reserve, found)


def core_bytes(request: Request) -> CoreBytes:
    """Return what one core of the request's degree holds."""
    return _core_bytes(
        request.model,
        request.generation.name,
        request.tensor_parallel_degree,
        request.batch_size,
        request.n_positions,
        request.dtype,
        request.matrix_dtype,
    )


@lru_cache(maxsize=4096)
def _core_bytes(
    model: ModelDims, generation: str, degree: int, batch_size: int, n_positions: int, dtype: str, matrix: str | None
) -> CoreBytes:
    """Remember what was asked before: a plan looks at a hundred configurations at once."""
    return bytes_per_core(
        model,
        generation=GENERATIONS[generation],
        degree=degree,
        batch_size=batch_size,
        n_positions=n_positions,
        dtype=dtype,
        matrix_dtype=matrix,
    )


def _bounds(case: catalog.MemoryCase, request: Request) -> bool:
    """Whether the case decides the request: need grows with batch, positions and the width of the numbers."""
    if not case.settings_known or case.degree != request.tensor_parallel_degree:
        return False
    known = catalog.model(case.model)
    if any(getattr(known, size) != getattr(request.model, size) for size in DISTINCT_SIZES):
        return False
    theirs, ours = dtype_bytes(case.dtype), dtype_bytes(request.dtype)
    if case.fits:
        return request.batch_size <= case.batch_size and request.n_positions <= case.n_positions and ours <= theirs
    larger = request.batch_size >= case.batch_size and request.n_positions >= case.n_positions and ours >= theirs
    return larger and request.matrix_dtype is None


def _remedies(request: Request) -> Iterator[str]:
    """Smallest changes that fit, one for each thing a person can change."""
    for degree in request.generation.documented_degrees[request.hardware.family]:
        larger = replace(request, tensor_parallel_degree=degree)
        if degree > request.tensor_parallel_degree and check(request, degree).ok and _fits(larger):
            yield f"degree {degree}"
            break
    few = request.batch_size <= FEW_ROWS
    for batch_size in range(request.batch_size - 1, 0, -1) if few else _halvings(request.batch_size):
        if _fits(replace(request, batch_size=batch_size)):
            yield f"batch size {batch_size}"
            break
    for n_positions in _halvings(request.n_positions):
        if n_positions >= 128 and _fits(replace(request, n_positions=n_positions)):
            yield f"n_positions {n_positions}"
            break
    if request.weights is None and _fits(replace(request, weights=INT8)):
        yield "weights in int8"
    if request.dtype == "f32" and _fits(replace(request, dtype="f16")):
        yield "dtype f16"


def _halvings(value: int) -> Iterator[int]:
    while value > 1:
        value //= 2
        yield value


def _fits(request: Request) -> bool:
    return judge(request, remedies=False).verdict.fit is Fit.FITS
