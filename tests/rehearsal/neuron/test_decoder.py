"""Every architecture against Hugging Face's implementation, on tiny random weights; f32 within 1e-4 (issue's bar)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, PretrainedConfig, PreTrainedModel

Load = Callable[..., object]


def logits_of(reference: PreTrainedModel, ids: Tensor) -> Tensor:
    with torch.no_grad():
        return reference(ids).logits


def feed(model, ids: Tensor, first: int, start_ids: Tensor | None = None) -> Tensor:
    """Logits (B, T - first + 1, V): the first `first` tokens in one pass, the others one by one."""
    steps = [model.forward(ids[:, :first], torch.arange(first), start_ids)]
    for i in range(first, ids.shape[1]):
        steps.append(model.forward(ids[:, i : i + 1], torch.tensor([i]), start_ids))
    return torch.stack(steps, dim=1)


def test_prompt_in_one_pass(reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    logits = load(reference).forward(prompts, torch.arange(9))
    torch.testing.assert_close(logits, logits_of(reference, prompts)[:, -1], atol=1e-4, rtol=0)


def test_cached_steps_equal_the_uncached_pass(reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    steps = feed(load(reference), prompts, 1)
    torch.testing.assert_close(steps, logits_of(reference, prompts), atol=1e-4, rtol=0)


def test_later_chunk_sees_the_earlier_one(reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    model = load(reference)
    model.forward(prompts[:, :4], torch.arange(4))
    logits = model.forward(prompts[:, 4:], torch.arange(4, 9))
    torch.testing.assert_close(logits, logits_of(reference, prompts)[:, -1], atol=1e-4, rtol=0)


def test_left_padded_row_equals_the_row_alone(reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    padding = torch.tensor([[1, 1, 1], [5, 6, 7]])
    ids = torch.cat((padding, prompts), dim=1)  # the second row has three more tokens instead of pads
    steps = feed(load(reference), ids, 8, start_ids=torch.tensor([3, 0]))
    torch.testing.assert_close(steps[0], logits_of(reference, prompts[:1])[0, 4:], atol=1e-4, rtol=0)
    torch.testing.assert_close(steps[1], logits_of(reference, ids[1:])[0, 7:], atol=1e-4, rtol=0)


def preferred(reference: PreTrainedModel, text: Tensor, prompt: int, never: list[int]) -> Tensor:
    """The most likely token after each part of a text (B, T), from `prompt` tokens on: one pass says them all."""
    logits = logits_of(reference, text)[:, prompt - 1 : -1]
    logits[:, :, never] = -torch.inf
    return logits.argmax(-1)


def test_greedy_decoding_is_identical_for_256_tokens(reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    if reference.config.model_type == "llama":  # may end early; here no token ends it
        never, options = [], {"eos_token_override": -1}
    else:
        never, options = [reference.config.eos_token_id], {}
    tokens = load(reference).sample(prompts, 256, top_k=1, **options)
    assert tokens.shape == (2, 256)
    assert torch.equal(tokens[:, :9], prompts)
    assert torch.equal(tokens[:, 9:], preferred(reference, tokens, 9, never))


@pytest.mark.parametrize(("amp", "tolerance"), [("f16", 0.01), ("bf16", 0.2)])
def test_half_precision_stays_near(
    reference: PreTrainedModel, load: Load, prompts: Tensor, amp: str, tolerance: float
) -> None:
    logits = load(reference, amp=amp).forward(prompts, torch.arange(9))
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, logits_of(reference, prompts)[:, -1], atol=tolerance, rtol=0)


def test_f16_computes_with_weights_rounded_to_f16(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    model = load(opt_reference, amp="f16")
    for block in opt_reference.model.decoder.layers:
        for module in (block.self_attn, block.fc1, block.fc2):
            module.half().float()
    opt_reference.lm_head.weight = torch.nn.Parameter(opt_reference.lm_head.weight.half().float())  # embedding stays
    expected = logits_of(opt_reference, prompts)[:, -1]
    torch.testing.assert_close(model.forward(prompts, torch.arange(9)), expected, atol=1e-4, rtol=0)


def test_reset_forgets(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    model = load(opt_reference)
    model.forward(prompts, torch.arange(9))
    model.reset()
    assert not any(cache.any() for cache in model.decoder.caches)


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 1), (6, 2)])
def test_llama_with_fewer_key_value_heads(
    randomize: Callable[[PretrainedConfig], PreTrainedModel], load: Load, prompts: Tensor, heads: int, groups: int
) -> None:
    config = LlamaConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        intermediate_size=96,
        vocab_size=100,
        max_position_embeddings=256,
    )
    reference = randomize(config)
    torch.testing.assert_close(
        feed(load(reference), prompts, 4), logits_of(reference, prompts)[:, 3:], atol=1e-4, rtol=0
    )
