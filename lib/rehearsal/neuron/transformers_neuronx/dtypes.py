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
