"""The dtype names of transformers-neuronx (`amp`) and their torch dtypes."""

from __future__ import annotations

import torch

_TORCH_DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
_NAMES = {dtype: name for name, dtype in _TORCH_DTYPES.items()}


def to_torch_dtype(dtype: str) -> torch.dtype:
    """f32, f16, bf16 as a torch dtype; any other name is a bare KeyError, as in the real package (`fp16`!)."""
    return _TORCH_DTYPES[dtype]


def to_amp(dtype: torch.dtype) -> str:
    """The name of a torch dtype; any other dtype, and None, is a bare KeyError."""
    return _NAMES[dtype]


def split_amp(amp: str) -> tuple[str, str | None]:
    """The dtype that computes and the eight-bit one that stores: `f16` has none, `f16-u8-f16` (0.2) has u8."""
    compute, *rest = (amp or "").split("-")
    if len(rest) == 2 and rest[0] == "u8" and {compute, rest[1]} <= _TORCH_DTYPES.keys():
        return compute, "u8"
    return amp, None
