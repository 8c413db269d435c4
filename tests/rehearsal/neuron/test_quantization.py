"""Eight-bit storage: int8 through NeuronConfig from 0.4, `f16-u8-f16` in 0.2 (facts, sections 1 and 8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from emulated_neuron.layers import Int8Linear
from torch import Tensor
from transformers import PreTrainedModel
from transformers_neuronx.config import NeuronConfig, QuantizationConfig

from neuron_rules import GENERATIONS


@pytest.fixture
def int8() -> NeuronConfig:
    """What DJL's handler builds for option.load_in_8bit."""
    config = NeuronConfig()
    config.quant = QuantizationConfig(quant_dtype="s8", dequant_dtype="f32")
    return config


def test_layers_are_stored_in_int8(reference: PreTrainedModel, load: Callable, int8: NeuronConfig) -> None:
    if reference.config.model_type not in GENERATIONS["0.8"].eight_bit:
        with pytest.raises(NotImplementedError, match="stores no int8 weights"):
            load(reference, neuron_config=int8)
        return
    decoder = load(reference, neuron_config=int8).decoder
    for layer in decoder.layers:
        for linear in (layer.qkv, layer.out, layer.up, layer.down):
            assert linear.weight.dtype == torch.int8
    assert not isinstance(decoder.lm_head, Int8Linear)


def test_logits_stay_near(reference: PreTrainedModel, load: Callable, int8: NeuronConfig, prompts: Tensor) -> None:
    if reference.config.model_type not in GENERATIONS["0.8"].eight_bit:
        pytest.skip("refused, as the test above shows")
    exact = load(reference).forward(prompts, torch.arange(9))
    rounded = load(reference, neuron_config=int8).forward(prompts, torch.arange(9))
    assert not torch.equal(exact, rounded)
    assert torch.nn.functional.cosine_similarity(exact, rounded).min() > 0.995


def test_report_counts_one_byte_a_weight(opt_reference: PreTrainedModel, load: Callable, int8: NeuronConfig) -> None:
    plain, small = (
        load(opt_reference, **arguments).rehearsal_report().core_bytes for arguments in ({}, {"neuron_config": int8})
    )
    assert small.weights < plain.weights / 2
    assert small.kv_cache == plain.kv_cache


@pytest.mark.parametrize(("rows", "width"), [(1, 32), (2, 64), (40, 64), (2, 33)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_int8_product(rows: int, width: int, dtype: torch.dtype) -> None:
    weight = torch.randint(-127, 128, (48, width), dtype=torch.int8)
    linear = Int8Linear(weight, torch.rand(48).to(dtype), torch.randn(48).to(dtype))
    x = torch.randn(rows, width).to(dtype)
    expected = torch.nn.functional.linear(x.float(), weight.float()) * linear.scales.float() + linear.bias.float()
    tolerance = 1e-4 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(
        linear(x).float() / expected.abs().max(), expected / expected.abs().max(), atol=tolerance, rtol=0
    )


def test_other_storage_is_not_implemented() -> None:
    with pytest.raises(NotImplementedError, match="'s4'"):
        QuantizationConfig(quant_dtype="s4")


@pytest.mark.usefixtures("old_generation")
def test_02_rounds_whole_matrices_to_uint8(opt_reference: PreTrainedModel, load: Callable, prompts: Tensor) -> None:
    model = load(opt_reference, amp="f32-u8-f32")
    assert model.decoder.layers[0].out.weight.to_dense().unique().numel() <= 256
    exact = load(opt_reference).forward(prompts, torch.arange(9))
    assert torch.nn.functional.cosine_similarity(exact, model.forward(prompts, torch.arange(9))).min() > 0.99


@pytest.mark.usefixtures("old_generation")
def test_02_uint8_needs_all_layers_in_one_program(opt_reference: PreTrainedModel, load: Callable) -> None:
    load(opt_reference, amp="f16-u8-f16", unroll=2)
    with pytest.raises(NotImplementedError, match="unroll"):
        load(opt_reference, amp="f16-u8-f16", unroll=1)


@pytest.mark.parametrize("amp", ["f16-u8-f16", "f16-u8", "f16-s8-f16"])
def test_08_knows_no_such_dtype(opt_reference: PreTrainedModel, load: Callable, amp: str) -> None:
    with pytest.raises(KeyError, match=amp):
        load(opt_reference, amp=amp)
