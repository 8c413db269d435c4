"""Every form of a matrix gives the same products, so that computers without oneDNN or FBGEMM compute the same words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from emulated_neuron import decoder, layers, loading
from emulated_neuron.layers import ACTIVATIONS, HalfLinear, Linear, PackedLinear, RmsNorm, pack
from torch import Tensor
from transformers import OPTConfig, PretrainedConfig, PreTrainedModel


@pytest.mark.parametrize("rows", [1, 2, 33, 64])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("amp", [torch.float32, torch.float16, torch.bfloat16])
def test_forms_agree(rows: int, biased: bool, amp: torch.dtype) -> None:
    computed = torch.bfloat16 if amp == torch.bfloat16 else torch.float32
    weight, bias = (torch.randn(shape).mul(0.1).to(amp).to(computed) for shape in ((48, 80), (48,)))
    x, residual = torch.randn(rows, 80).to(computed), torch.randn(rows, 48).to(computed)
    form = pack(weight, bias if biased else None, rows, amp)
    plain = Linear(weight.float(), bias.float() if biased else None)
    tolerance = 0.03 if amp == torch.bfloat16 else 1e-5
    for activation in ACTIVATIONS.values():
        torch.testing.assert_close(
            form(x, activation).float(), plain(x.float(), activation), atol=tolerance, rtol=tolerance
        )
    expected = plain.onto(residual.float(), x.float())
    torch.testing.assert_close(form.onto(residual, x).float(), expected, atol=tolerance, rtol=tolerance)


def test_the_quickest_form_is_chosen() -> None:
    weight = torch.zeros(32, 32)
    if "fbgemm" in torch.backends.quantized.supported_engines:
        assert isinstance(pack(weight, None, 1, torch.float16), HalfLinear)
        assert isinstance(pack(weight + 2.0**-9, None, 1, torch.bfloat16), HalfLinear)
        assert not isinstance(pack(weight + 2.0**17, None, 1, torch.bfloat16), HalfLinear), "f16 ends at 65504"
        assert not isinstance(pack(weight * torch.inf, None, 1, torch.float16), HalfLinear), "FBGEMM has no infinity"
    if layers.can_pack(torch.float32):
        assert isinstance(pack(weight, None, 1, torch.float32), PackedLinear)
    assert isinstance(pack(weight.double(), None, 1, torch.float64), Linear)


@pytest.mark.parametrize("heads", [2, 3, 6])
def test_f16_holds_every_matrix_whatever_the_width_of_a_head(
    randomize: Callable[[PretrainedConfig], PreTrainedModel], load: Callable, heads: int
) -> None:
    """Queries are divided by the root of that width; in the weights it made numbers of them that f16 has not."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("FBGEMM is not on this machine")
    config = OPTConfig(
        hidden_size=96,
        num_hidden_layers=1,
        num_attention_heads=heads,
        ffn_dim=96,
        vocab_size=100,
        word_embed_proj_dim=96,
    )
    layer = load(randomize(config), amp="f16").decoder.layers[0]
    assert all(isinstance(matrix, HalfLinear) for matrix in (layer.qkv, layer.out, layer.up, layer.down))


def test_positions_of_an_f32_cache_lie_beside_each_other(
    opt_reference: PreTrainedModel, load: Callable, prompts: Tensor
) -> None:
    model = load(opt_reference)
    model.forward(prompts, torch.arange(9))
    cache = model.decoder.caches[0]
    assert (cache.stride(3), cache.stride(4)) == (1, cache.shape[3])


def test_a_cpu_without_bf16_computes_its_weights_in_f32(
    reference: PreTrainedModel, load: Callable, prompts: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own bf16 products of eight rows take four times as long as f16's, which hold the same weights."""
    with_it = load(reference, amp="bf16")
    can_pack = layers.can_pack
    monkeypatch.setattr(layers, "can_pack", lambda dtype: dtype == torch.float32 and can_pack(dtype))
    monkeypatch.setattr(decoder, "can_pack", layers.can_pack)
    if "fbgemm" in torch.backends.quantized.supported_engines:
        assert layers.computed_in(torch.bfloat16) == torch.float32
    else:
        assert layers.computed_in(torch.bfloat16) == torch.bfloat16
    without = load(reference, amp="bf16")
    for first, last in ((0, 8), (8, 9)):
        ids, index = prompts[:, first:last], torch.arange(first, last)
        torch.testing.assert_close(with_it.forward(ids, index), without.forward(ids, index), atol=0.2, rtol=0)


@pytest.mark.parametrize("amp", ["f32", "f16", "bf16"])
def test_plain_matrices_give_the_same_logits(
    reference: PreTrainedModel, load: Callable, prompts: Tensor, monkeypatch: pytest.MonkeyPatch, amp: str
) -> None:
    quick = load(reference, amp=amp)
    monkeypatch.setattr(loading, "pack", lambda weight, bias, rows, amp: Linear(weight, bias))
    plain = load(reference, amp=amp)
    for first, last in ((0, 8), (8, 9)):  # a prompt, then one token
        ids, index = prompts[:, first:last], torch.arange(first, last)
        tolerance = 0.2 if amp == "bf16" else 1e-4
        torch.testing.assert_close(quick.forward(ids, index), plain.forward(ids, index), atol=tolerance, rtol=0)


def test_both_ways_of_reading_the_cache_agree_in_bf16(
    reference: PreTrainedModel, load: Callable, prompts: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = []
    for narrow in (0, 10**6):  # bf16 products always, conversion to f32 always
        monkeypatch.setattr(decoder, "NARROW", narrow)
        model = load(reference, amp="bf16")
        model.forward(prompts[:, :8], torch.arange(8))
        logits.append(model.forward(prompts[:, 8:], torch.tensor([8])))
    torch.testing.assert_close(*logits, atol=0.2, rtol=0)


def test_cache_grows_with_the_text_and_shrinks_with_the_next(
    opt_reference: PreTrainedModel, load: Callable, prompts: Tensor
) -> None:
    model = load(opt_reference)
    rooms = []
    for length in (20, 128, 129, 256, 20):
        model.sample(prompts.repeat(1, length // 9)[:, : length - 4], length + 1)  # the last token is drawn and not fed
        rooms.append(model.decoder.caches[0].shape[3])
    assert rooms == [128, 128, 256, 256, 128]


def test_rms_norm() -> None:
    x, weight = torch.randn(3, 64), torch.randn(64)
    expected = x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * weight
    torch.testing.assert_close(RmsNorm(weight, 1e-5)(x), expected)
