"""The loops and filters by themselves (facts, section 1: names; section 5: what they do)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers_neuronx.sampling import (
    sample_greedy,
    sample_loop,
    select_tokens,
    simple_sample,
    top_k_top_p_filtering,
)

SCORES = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05]).log()[None]


def test_loop_continues_what_the_prompt_began(opt_reference: PreTrainedModel, load: Callable, prompts: Tensor) -> None:
    model = load(opt_reference)
    torch.manual_seed(1)
    whole = simple_sample(model, prompts, 30, eos_token_id=2)
    torch.manual_seed(1)
    scores = model.forward(prompts, torch.arange(9))
    assert torch.equal(sample_loop(model, prompts, None, scores, 30, 2, 50), whole)


def test_greedy_takes_the_likeliest(opt_reference: PreTrainedModel, load: Callable, prompts: Tensor) -> None:
    model = load(opt_reference)
    tokens = sample_greedy(model, prompts, sequence_length=10)
    assert torch.equal(tokens[:, 9], model.forward(prompts, torch.arange(9)).argmax(-1))


@pytest.mark.parametrize(
    ("top_k", "top_p", "left"), [(5, 1.0, 5), (3, 1.0, 3), (5, 0.6, 2), (5, 0.71, 3), (5, 0.01, 1), (2, 0.99, 2)]
)
def test_filters(top_k: int, top_p: float, left: int) -> None:
    probabilities, tokens = top_k_top_p_filtering(SCORES, top_k, top_p)
    assert tokens[0].tolist() == list(range(top_k))
    assert int((probabilities > 0).sum()) == left


def test_low_temperature_draws_the_likeliest() -> None:
    drawn = select_tokens(SCORES.expand(200, -1), top_k=5, temperature=0.01)
    assert drawn.shape == (200, 1)
    assert not drawn.any()


def test_more_than_the_vocabulary_is_torchs_error() -> None:
    with pytest.raises(RuntimeError, match="k out of range"):
        select_tokens(SCORES, top_k=6)
