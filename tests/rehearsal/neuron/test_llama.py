"""What only the Llama family's sample() does (facts, section 5, the paragraph on the Llama family)."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers_neuronx.llama.model import LlamaForSampling


class Recorder:
    """A streamer that keeps what it gets."""

    def __init__(self) -> None:
        self.tokens: list[Tensor] = []
        self.ended = 0

    def put(self, tokens: Tensor) -> None:
        self.tokens.append(tokens)

    def end(self) -> None:
        self.ended += 1


@pytest.fixture
def model(randomize: Callable, tiny_config: Callable, load: Callable) -> LlamaForSampling:
    """A tiny random Llama."""
    return load(randomize(tiny_config("llama")))


def likeliest(model: LlamaForSampling, prompts: Tensor, length: int) -> Tensor:
    return model.sample(prompts, length, top_k=1, eos_token_override=-1)


def test_a_finished_row_is_filled_with_the_end_token(model: LlamaForSampling, prompts: Tensor) -> None:
    free = likeliest(model, prompts, 60)
    end = int(free[0, 20])  # let the first row's text end here, or earlier if it has said this before
    tokens = model.sample(prompts, 60, top_k=1, eos_token_override=end)
    first, second = ((free[row, 9:] == end).int().tolist() for row in (0, 1))
    stop = 9 + first.index(1)
    assert torch.equal(tokens[0, : stop + 1], free[0, : stop + 1])
    assert (tokens[0, stop:] == end).all()
    until = 9 + second.index(1) + 1 if 1 in second else tokens.shape[1]
    assert torch.equal(tokens[1, :until], free[1, :until])


def test_ends_when_all_rows_have_ended(model: LlamaForSampling, prompts: Tensor) -> None:
    same = prompts[:1].repeat(2, 1)
    end = int(likeliest(model, same, 60)[0, 15])
    tokens = model.sample(same, 60, top_k=1, eos_token_override=end)
    assert 9 < tokens.shape[1] <= 16
    assert (tokens[:, -1] == end).all()


def test_end_token_of_the_configuration_ends_too(model: LlamaForSampling, prompts: Tensor) -> None:
    same = prompts[:1].repeat(2, 1)
    model.config.eos_token_id = int(likeliest(model, same, 60)[0, 15])
    assert model.sample(same, 60, top_k=1).shape[1] <= 16


def test_streamer_gets_each_step_and_not_the_prompt(model: LlamaForSampling, prompts: Tensor) -> None:
    streamer = Recorder()
    tokens = model.sample(prompts, 20, top_k=1, eos_token_override=-1, streamer=streamer)
    assert all(step.shape == (2, 1) for step in streamer.tokens)
    assert torch.equal(torch.cat(streamer.tokens, dim=1), tokens[:, 9:])
    assert streamer.ended == 1


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ({"top_k": 0}, "top_k.*0"),
        ({"top_k": -1}, "top_k.*-1"),
        ({"top_k": 2.0}, r"top_k.*2\.0"),
        ({"top_p": 0.0}, r"top_p.*0\.0"),
        ({"top_p": 1.5}, r"top_p.*1\.5"),
        ({"top_p": 1}, "top_p.*1"),  # an int is not a float
        ({"temperature": 0.0}, r"temperature.*0\.0"),
        ({"temperature": -1.0}, r"temperature.*-1\.0"),
        ({"temperature": 1}, "temperature.*1"),
    ],
    ids=str,
)
def test_impossible_filters_are_value_errors(
    model: LlamaForSampling, prompts: Tensor, filters: dict[str, float], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        model.sample(prompts, 20, **filters)


def test_a_small_top_p_draws_the_likeliest(model: LlamaForSampling, prompts: Tensor) -> None:
    torch.manual_seed(5)
    tokens = model.sample(prompts, 40, top_p=1e-6, temperature=2.0, eos_token_override=-1)
    assert torch.equal(tokens, likeliest(model, prompts, 40))


def test_signature(model: LlamaForSampling) -> None:
    defaults = {name: p.default for name, p in inspect.signature(model.sample).parameters.items()}
    assert list(defaults.items())[2:] == [
        ("cache_ids", None),
        ("start_ids", None),
        ("top_k", 50),
        ("top_p", 1.0),
        ("eos_token_override", None),
        ("temperature", 1.0),
        ("streamer", None),
    ]
