"""The decoder's building blocks: norms, activations, and matrices in the fastest form that this CPU has.

oneDNN's packed matrices, with bias, activation and residual in one call, take half the time of torch's plain
product here, or less; FBGEMM's, for f16, half the memory of f32 (tests/benchmarks). Where torch has neither library,
the plain product does the same.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Activation:
    """One function, by itself and as oneDNN's name and algorithm for fusing it into a product."""

    function: Callable[[Tensor], Tensor]
    fused: str
    algorithm: str = ""


_GELU_TANH = Activation(partial(F.gelu, approximate="tanh"), "gelu", "tanh")
_NONE = Activation(lambda x: x, "none")

ACTIVATIONS: Mapping[str, Activation] = {
    "relu": Activation(torch.relu, "relu"),
    "gelu": Activation(F.gelu, "gelu", "none"),
    "gelu_new": _GELU_TANH,
    "gelu_fast": _GELU_TANH,
    "gelu_pytorch_tanh": _GELU_TANH,
    "silu": Activation(F.silu, "swish"),
}


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """A layer norm; its weights are f32 and so is the computation."""

    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        """Normalize the last dimension of x (rows, E)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RmsNorm:
    """A root-mean-square norm; its weights are f32 and so is the computation."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        """`weight` (E)."""
        self.width, self.eps = weight.shape[0], eps
        self.weight = torch.cat((weight, torch.zeros_like(weight)))

    def __call__(self, x: Tensor) -> Tensor:
        """Normalize the last dimension of x (rows, E)."""
        # x beside -x has mean 0, and its variance is the mean square of x: one layer norm instead of eight calls.
        both = F.layer_norm(torch.cat((x, -x), dim=-1), self.weight.shape, self.weight, None, self.eps)
        return both[:, : self.width]


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix [out, in] and its bias, by torch's plain product."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor, activation: Activation = _NONE) -> Tensor:
        """activation(x W + b): (rows, in) -> (rows, out)."""
        return activation.function(F.linear(x, self.weight, self.bias))

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + x W + b."""
        return residual + F.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class PackedLinear:
    """A matrix [out, in] in oneDNN's own order, and its bias; the same two products, each in one call."""

    weight: Tensor
    bias: Tensor | None
    unary: Callable[..., Tensor]
    binary: Callable[..., Tensor]

    def __call__(self, x: Tensor, activation: Activation = _NONE) -> Tensor:
        """activation(x W + b): (rows, in) -> (rows, out)."""
        y = self.unary(_even(x), self.weight, self.bias, activation.fused, [], activation.algorithm)
        return y if y.shape[0] == x.shape[0] else y[: x.shape[0]]

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + x W + b."""
        y = self.binary(_even(x), _even(residual), self.weight, self.bias, "add")
        return y if y.shape[0] == x.shape[0] else y[: x.shape[0]]


def _even(x: Tensor) -> Tensor:
    """x (rows, ..), with its rows filled up to a multiple of 32 where there are more than that.

    oneDNN compiles a kernel for each number of rows and keeps it, a third of a megabyte each: prompts of all
    lengths would cost more memory than a small model.
    """
    rows = x.shape[0]
    return x if rows <= 32 or rows % 32 == 0 else F.pad(x, (0, 0, 0, -rows % 32))


@dataclass(frozen=True, slots=True)
class HalfLinear:
    """A matrix [out, in] packed in f16 together with its bias; it multiplies f32 numbers and adds up in f32."""

    packed: object
    product: Callable[..., Tensor]
    sum: Callable[..., Tensor]

    def __call__(self, x: Tensor, activation: Activation = _NONE) -> Tensor:
        """activation(x W + b): (rows, in) -> (rows, out)."""
        return activation.function(self.product(x, self.packed))

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + x W + b."""
        return self.sum(residual, x, self.packed)


@dataclass(frozen=True, slots=True)
class Int8Linear:
    """A matrix [out, in] in int8, the scale of each of its rows, and its bias."""

    weight: Tensor
    scales: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor, activation: Activation = _NONE) -> Tensor:
        """activation(x W + b): (rows, in) -> (rows, out)."""
        # torch's int8 kernel reads past the end of widths that are no multiple of 32, and is made for few rows.
        if x.shape[0] <= 32 and self.weight.shape[1] % 32 == 0:
            y = torch._weight_int8pack_mm(x, self.weight, self.scales)
        else:
            y = F.linear(x, self.weight.to(x.dtype)) * self.scales
        return activation.function(y if self.bias is None else y + self.bias)

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + x W + b."""
        return residual + self(x)


@cache
def _half_products() -> torch.jit.CompilationUnit:
    # Python's own call looks for 25 us at what kind of object the packed weights are: more than a small product takes.
    return torch.jit.CompilationUnit(_HALF_PRODUCTS)


_HALF_PRODUCTS = """
def product(x: Tensor, packed: __torch__.torch.classes.quantized.LinearPackedParamsBase) -> Tensor:
    return torch.ops.quantized.linear_dynamic_fp16(x, packed)

def onto(residual: Tensor, x: Tensor, packed: __torch__.torch.classes.quantized.LinearPackedParamsBase) -> Tensor:
    return torch.ops.quantized.linear_dynamic_fp16(x, packed).add_(residual)
"""

Matrix = Linear | PackedLinear | HalfLinear | Int8Linear
"""What a layer holds: four forms with the same two products."""


def pack(weight: Tensor, bias: Tensor | None, rows: int, amp: torch.dtype) -> Linear | PackedLinear | HalfLinear:
    """The quickest form for products of `rows` rows of a weight rounded to `amp`."""
    if weight.dtype == torch.float32 and amp != torch.float32 and _has_fbgemm() and _is_half(weight, amp):
        products = _half_products()
        return HalfLinear(torch.ops.quantized.linear_prepack_fp16(weight, bias), products.product, products.onto)
    if not can_pack(weight.dtype):
        return Linear(weight, bias)
    product = torch.ops.mkldnn._linear_pointwise
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return PackedLinear(packed, bias, product.default, product.binary)


def computed_in(amp: torch.dtype) -> torch.dtype:
    """What the numbers of a model are computed in: f32, which only adds accuracy, but for bf16 where that is quick.

    A CPU without instructions for it takes up to four times as long as FBGEMM does for the same weights in f16.
    """
    quick = can_pack(amp) or not _has_fbgemm()
    return amp if amp == torch.bfloat16 and quick else torch.float32


def _has_fbgemm() -> bool:
    return "fbgemm" in torch.backends.quantized.supported_engines


def _is_half(weight: Tensor, amp: torch.dtype) -> bool:
    """Whether f16 holds a weight: what bf16 holds it does, but for the largest numbers and a part of the smallest."""
    if amp == torch.float16:
        low, high = weight.aminmax()
        return bool(high - low < torch.inf)
    return bool((weight.half().float() - weight).abs().amax() <= 2**-25)


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this CPU multiplies packed matrices of `dtype`."""
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def to_int8(weight: Tensor, bias: Tensor | None) -> Int8Linear:
    """Store a matrix in int8, with a scale for each output that maps its largest number to 127."""
    wide = weight.float()
    scales = wide.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
    return Int8Linear((wide / scales).round().to(torch.int8), scales.view(-1).to(weight.dtype), bias)


def round_to_u8(weight: Tensor) -> Tensor:
    """The values that 256 steps between a matrix's least and greatest number can express."""
    low, high = weight.min(), weight.max()
    step = (high - low).clamp(min=1e-12) / 255
    return ((weight - low) / step).round() * step + low
