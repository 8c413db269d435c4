"""dtype names and their errors (facts, section 1: anything else is a bare KeyError)."""

from __future__ import annotations

import pytest
import torch
from transformers_neuronx import dtypes

PAIRS = [("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)]


@pytest.mark.parametrize(("name", "dtype"), PAIRS)
def test_names_and_dtypes(name: str, dtype: torch.dtype) -> None:
    assert dtypes.to_torch_dtype(name) is dtype
    assert dtypes.to_amp(dtype) == name


@pytest.mark.parametrize("name", ["fp16", "fp32", None, "float16"])
def test_other_names_are_a_bare_key_error(name: str | None) -> None:
    with pytest.raises(KeyError) as caught:
        dtypes.to_torch_dtype(name)
    assert caught.value.args == (name,)


def test_other_dtypes_are_a_bare_key_error() -> None:
    with pytest.raises(KeyError):
        dtypes.to_amp(torch.int8)
