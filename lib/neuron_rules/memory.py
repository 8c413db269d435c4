"""What one NeuronCore holds of a model, tensor by tensor, and whether that leaves the runtime enough room.

The layout is that of transformers-neuronx: embeddings stay on the host; query, key, value, the first
feed-forward matrices and the output matrix are split by column, the two projections back by row; norms
are whole on every core; the KV cache is allocated for n_positions and split by heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import prod
from types import MappingProxyType
from typing import Literal

from .dims import ModelDims
from .errors import UnknownName
from .generations import Generation
from .padding import padded_ffn, padded_heads, padded_vocab, placed_kv_heads

GIB = 2**30
CORE_BYTES = 16 * GIB
"""HBM of one NeuronCore-v2: half of a chip's 32 GiB (SDK documentation, inf2 and trn1 architecture pages)."""

RESERVE_BRACKET_GIB = (1.70, 2.47)
"""Room the runtime needs beside the tensors, from the one known pair: OPT-13B at degree 2 and 2048 positions
runs at batch 2 (13.53 GiB a core) and does not fit at batch 3 (14.31) (facebook-opt-13b sample, 2023-02)."""

CONTEXT_RESERVE_GIB = 7.8
"""The most seen beside the tensors: prompt programs and their DMA rings (transformers-neuronx#49)."""

EMULATED_RESERVE_GIB = 2.0
"""The one value inside the bracket that the rehearsal's device uses."""

DTYPE_BYTES: Mapping[str, int] = MappingProxyType({"f32": 4, "f16": 2, "bf16": 2, "s8": 1, "u8": 1})

Kind = Literal["weights", "kv cache"]


@dataclass(frozen=True)
class CoreTensor:
    """One tensor as one core holds it; `padding` counts the bytes that only fill up (mean of the cores)."""

    name: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: str
    padding: int = 0

    @property
    def bytes(self) -> int:
        """Size on the core, padding included."""
        return prod(self.shape) * dtype_bytes(self.dtype)


@dataclass(frozen=True)
class CoreBytes:
    """Bytes on one core by kind; the three add up to `total`."""

    weights: int
    kv_cache: int
    padding: int

    @property
    def total(self) -> int:
        """Everything the model allocates on one core."""
        return self.weights + self.kv_cache + self.padding

    def table(self) -> str:
        """The kinds and the total in GiB, one line each, for a log or a notebook."""
        rows = {"weights": self.weights, "KV cache": self.kv_cache, "padding": self.padding, "total": self.total}
        return "\n".join(f"{kind:<9}{size / GIB:>8.3f} GiB" for kind, size in rows.items())


class Fit(StrEnum):
    """The three verdicts that the evidence allows."""

    FITS = "fits"
    UNCERTAIN = "uncertain"
    DOES_NOT_FIT = "does not fit"


@dataclass(frozen=True)
class MemoryVerdict:
    """Whether a model fits on its cores, and the sentence that says why."""

    fit: Fit
    text: str


def dtype_bytes(dtype: str) -> int:
    """Bytes of one number of `dtype` (f32, f16, bf16, s8, u8); raises UnknownName."""
    try:
        return DTYPE_BYTES[dtype]
    except KeyError:
        raise UnknownName("dtype", dtype, DTYPE_BYTES) from None


def bytes_per_core(
    dims: ModelDims,
    *,
    generation: Generation,
    degree: int,
    batch_size: int,
    n_positions: int,
    dtype: str,
    matrix_dtype: str | None = None,
) -> CoreBytes:
    """Weights, KV cache and padding on each core; `matrix_dtype` (s8, u8) stores the layers' matrices in eight bits.

    Each layer is as large as the first, so it is counted from one.
    """
    rest, first = (
        sum_bytes(
            core_tensors(
                replace(dims, layers=layers),
                generation=generation,
                degree=degree,
                batch_size=batch_size,
                n_positions=n_positions,
                dtype=dtype,
                matrix_dtype=matrix_dtype,
            )
        )
        for layers in (0, 1)
    )
    return CoreBytes(
        rest.weights + dims.layers * (first.weights - rest.weights),
        rest.kv_cache + dims.layers * (first.kv_cache - rest.kv_cache),
        rest.padding + dims.layers * (first.padding - rest.padding),
    )


def sum_bytes(tensors: Iterable[CoreTensor]) -> CoreBytes:
    """Add up tensors by kind."""
    sums = {"weights": 0, "kv cache": 0, "padding": 0}
    for tensor in tensors:
        sums[tensor.kind] += tensor.bytes - tensor.padding
        sums["padding"] += tensor.padding
    return CoreBytes(sums["weights"], sums["kv cache"], sums["padding"])


def core_tensors(
    dims: ModelDims,
    *,
    generation: Generation,
    degree: int,
    batch_size: int,
    n_positions: int,
    dtype: str,
    matrix_dtype: str | None = None,
    vocab_divisor: int = 1,
) -> Iterator[CoreTensor]:
    """Every tensor that one of `degree` cores holds, in order of placement: layer by layer, then the rest."""
    family, head_dim = dims.family, dims.head_dim
    heads = padded_heads(dims, degree, generation)
    kv_heads = placed_kv_heads(dims, degree, generation)
    ffn = padded_ffn(dims, degree, generation)
    split = _Splitter(degree, dtype, matrix_dtype)
    for layer in range(dims.layers):
        at = f"layers.{layer}."
        yield from split.norms(at, family.norms_per_layer, dims.hidden, family.norm_bias)
        yield from split.columns(at + "q", dims.hidden, dims.heads, heads, head_dim, family.attention_bias)
        for name in ("k", "v"):
            yield from split.columns(at + name, dims.hidden, dims.kv_heads, kv_heads, head_dim, family.attention_bias)
        yield from split.rows(at + "out", dims.heads, heads, head_dim, dims.hidden, family.attention_bias)
        for name in ("gate", "up") if family.gated_ffn else ("fc1",):
            yield from split.columns(at + name, dims.hidden, dims.ffn, ffn, 1, family.ffn_bias)
        yield from split.rows(
            at + ("down" if family.gated_ffn else "fc2"), dims.ffn, ffn, 1, dims.hidden, family.ffn_bias
        )
        for name in ("k_cache", "v_cache"):
            yield split.cache(at + name, n_positions, batch_size, dims.kv_heads, kv_heads, head_dim)
    yield from split.norms("final_", 1, dims.hidden, family.norm_bias)
    head = _Splitter(degree, dtype)  # the output matrix keeps its dtype
    yield from head.columns(
        "lm_head", dims.hidden, dims.vocab, padded_vocab(dims, degree, vocab_divisor), 1, family.lm_head_bias
    )


def host_bytes(dims: ModelDims) -> int:
    """Bytes of the token and position embeddings, which stay in the host's memory as f32."""
    learned = dims.family.positions == "learned"
    rows = dims.vocab + (dims.max_positions + dims.family.position_offset if learned else 0)
    return rows * dims.hidden * DTYPE_BYTES["f32"]


def all_reduces_per_step(dims: ModelDims, degree: int) -> int:
    """Sums over the cores in one decoding step: after attention and after the feed-forward of each layer."""
    return 2 * dims.layers if degree > 1 else 0


def usable_core_bytes() -> int:
    """What a model may allocate on one core of the rehearsal's device: 16 GiB less the runtime's reserve."""
    return CORE_BYTES - int(EMULATED_RESERVE_GIB * GIB)


def judge_memory(core_bytes: CoreBytes, *, prompt_programs: bool = False) -> MemoryVerdict:
    """Whether a core holds the model; with prompt programs the runtime's share is known less well."""
    room_gib = (CORE_BYTES - core_bytes.total) / GIB
    least, most = RESERVE_BRACKET_GIB[0], CONTEXT_RESERVE_GIB if prompt_programs else RESERVE_BRACKET_GIB[1]
    fit = Fit.FITS if room_gib >= most else Fit.UNCERTAIN if room_gib > least else Fit.DOES_NOT_FIT
    text = (
        f"{fit}: {core_bytes.total / GIB:.2f} of 16 GiB a core leaves {room_gib:.2f} GiB, "
        f"and the runtime is known to need between {least} and {most} GiB"
    )
    if fit is not Fit.FITS:
        text += "; use a higher degree, a smaller batch or n_positions, or a smaller dtype"
    return MemoryVerdict(fit, text)


@dataclass(frozen=True)
class _Splitter:
    """Cuts whole matrices into what one core of `degree` gets. `unit` is the width of a head, 1 elsewhere."""

    degree: int
    dtype: str
    matrix_dtype: str | None = None

    def norms(self, at: str, count: int, hidden: int, bias: bool) -> Iterator[CoreTensor]:
        for i in range(count):
            for part in ("weight", "bias") if bias else ("weight",):
                yield CoreTensor(f"{at}norm{i}.{part}", "weights", (hidden,), "f32")

    def columns(self, name: str, inputs: int, real: int, placed: int, unit: int, bias: bool) -> Iterator[CoreTensor]:
        width = self._share(placed) * unit
        yield from self._matrix(name, (inputs, width), real, placed, scales=width)
        if bias:
            yield self._tensor(f"{name}.bias", (width,), self.dtype, real, placed)

    def rows(self, name: str, real: int, placed: int, unit: int, outputs: int, bias: bool) -> Iterator[CoreTensor]:
        height = self._share(placed) * unit
        yield from self._matrix(name, (height, outputs), real, placed, scales=outputs)
        if bias:  # the first core holds it, the others zeros of the same size
            yield CoreTensor(f"{name}.bias", "weights", (outputs,), self.dtype)

    def cache(self, name: str, n_positions: int, batch: int, real: int, placed: int, unit: int) -> CoreTensor:
        shape = (n_positions, batch, self._share(placed), unit)
        return self._tensor(name, shape, self.dtype, real, placed, kind="kv cache")

    def _matrix(
        self, name: str, shape: tuple[int, int], real: int, placed: int, *, scales: int
    ) -> Iterator[CoreTensor]:
        yield self._tensor(f"{name}.weight", shape, self.matrix_dtype or self.dtype, real, placed)
        if self.matrix_dtype == "s8":  # one scale for each output; u8 has two numbers for a whole matrix
            yield CoreTensor(f"{name}.scales", "weights", (scales,), "f32")

    def _share(self, placed: int) -> int:
        # Where nothing is padded the check of the degree has refused a remainder; sizes stay an upper bound.
        return -(-placed // self.degree)

    def _tensor(
        self, name: str, shape: tuple[int, ...], dtype: str, real: int, placed: int, *, kind: Kind = "weights"
    ) -> CoreTensor:
        size = prod(shape) * dtype_bytes(dtype)
        return CoreTensor(name, kind, shape, dtype, padding=size * (placed - real) // placed)
