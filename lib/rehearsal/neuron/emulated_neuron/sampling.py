"""Drawing tokens from logits: the loops behind `sample()`, one for each contract that the families have."""

from __future__ import annotations

import math
import os
from typing import Any, Protocol

import torch
from torch import Tensor


class Stepper(Protocol):
    """What the loops need of a model."""

    def step(self, input_ids: Tensor, start: int, start_ids: Tensor | None) -> Tensor:
        """Logits (B, V) after `input_ids` (B, T) at cache positions from `start` on."""

    def check_discarded(self, position: int) -> None:
        """Raise what a last forward pass at `position`, whose result is thrown away, would raise."""


class Streamer(Protocol):
    """Receives tokens as they are drawn; transformers' streamers and DJL's are such."""

    def put(self, tokens: Tensor) -> None:
        """Tokens (B, 1) of one step."""

    def end(self) -> None:
        """No more tokens."""


def simple_sample(
    model: Stepper,
    input_ids: Tensor,
    sequence_length: int,
    *,
    start_ids: Tensor | None = None,
    eos_token_id: int | None = None,
    top_k: int = 50,
) -> Tensor:
    """Top-k sampling to a total of `sequence_length` tokens: int64 (B, max(prompt, sequence_length)), prompt first.

    The end-of-sequence token is never drawn, so every row runs to the end. A prompt is never cut. Torch's global
    random generator draws. All families but Llama.
    """
    logits = model.step(input_ids, 0, start_ids)
    return sample_loop(model, input_ids, start_ids, logits, sequence_length, eos_token_id, top_k)


def sample_loop(
    model: Stepper,
    input_ids: Tensor,
    start_ids: Tensor | None,
    next_token_scores: Tensor,
    sequence_length: int,
    eos_token_id: int | None = None,
    top_k: int = 50,
) -> Tensor:
    """What follows the prompt's own pass in simple_sample(): `next_token_scores` (B, V) are its logits."""
    tokens, next_token_scores = _room(input_ids, sequence_length), next_token_scores.clone()
    for position in range(input_ids.shape[1], sequence_length):
        if eos_token_id is not None:
            next_token_scores[:, eos_token_id] = -math.inf
        drawn = select_tokens(next_token_scores, top_k)
        tokens[:, position] = drawn[:, 0]
        if position + 1 < sequence_length:
            next_token_scores = model.step(drawn, position, start_ids)
        else:
            model.check_discarded(position)
    return tokens


def sample_greedy(
    model: Stepper, input_ids: Tensor, start_ids: Tensor | None = None, sequence_length: int = 128
) -> Tensor:
    """simple_sample() that always takes the likeliest token, the end of the text included."""
    return simple_sample(model, input_ids, sequence_length, start_ids=start_ids, top_k=1)


def sample_llama(
    model: Stepper,
    input_ids: Tensor,
    sequence_length: int,
    *,
    start_ids: Tensor | None = None,
    eos_token_id: int | None = None,
    top_k: int = 50,
    top_p: float = 1.0,
    temperature: float = 1.0,
    streamer: Streamer | None = None,
) -> Tensor:
    """Sampling that ends at the end-of-sequence token: a finished row is filled up with it, and the result is
    shorter than `sequence_length` once all rows are finished. Raises ValueError for impossible filters.
    """
    _check_filters(top_k, top_p, temperature)
    logits = model.step(input_ids, 0, start_ids)
    tokens = _room(input_ids, sequence_length)
    done = torch.zeros(input_ids.shape[0], 1, dtype=torch.bool)
    for position in range(input_ids.shape[1], sequence_length):
        drawn = select_tokens(logits, top_k, top_p, temperature)
        if eos_token_id is not None:
            drawn = drawn.masked_fill(done, eos_token_id)
            done = done | (drawn == eos_token_id)
        tokens[:, position] = drawn[:, 0]
        if streamer is not None:
            with torch.inference_mode(False):  # the streamer is the caller's, and so is what it gets
                streamer.put(drawn.clone())
        if bool(done.all()):
            tokens = tokens[:, : position + 1]
            break
        if position + 1 < sequence_length:
            logits = model.step(drawn, position, start_ids)
    if streamer is not None:
        streamer.end()
    return tokens


def select_tokens(next_token_scores: Tensor, top_k: int = 1, top_p: float = 1.0, temperature: float = 1.0) -> Tensor:
    """One token (B, 1) drawn from the softmax over what the filters leave of logits (B, V).

    With REHEARSAL_GREEDY the likeliest, whatever the filters: what two servers answer can be compared then.
    """
    if os.environ.get("REHEARSAL_GREEDY"):
        top_k = 1
    probabilities, indices = top_k_top_p_filtering(
        next_token_scores if temperature == 1.0 else next_token_scores / temperature, top_k, top_p
    )
    if top_k == 1:
        return indices  # where there is no choice the random numbers stay
    return indices.gather(1, torch.multinomial(probabilities, 1))


def top_k_top_p_filtering(scores: Tensor, top_k: int, top_p: float = 1.0) -> tuple[Tensor, Tensor]:
    """Probabilities and token numbers (B, top_k) of the largest logits, in falling order.

    `top_p` keeps the most likely of them that together reach this probability, the last one included. A vocabulary
    smaller than `top_k` is torch's RuntimeError.
    """
    values, indices = torch.topk(scores, top_k)
    probabilities = values.softmax(-1)
    if top_p < 1.0:
        before = probabilities.cumsum(-1) - probabilities  # topk sorts: the probability of all better ones
        probabilities = probabilities.masked_fill(before >= top_p, 0.0)
    return probabilities, indices


def _room(input_ids: Tensor, sequence_length: int) -> Tensor:
    batch, prompt = input_ids.shape
    tokens = input_ids.new_empty(batch, max(prompt, sequence_length))
    tokens[:, :prompt] = input_ids
    return tokens


def _check_filters(top_k: Any, top_p: Any, temperature: Any) -> None:
    if not isinstance(top_k, int) or top_k <= 0:
        raise ValueError(f"top_k has to be a strictly positive int, but is {top_k!r}")
    if not isinstance(top_p, float) or not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_p has to be a float in (0, 1], but is {top_p!r}")
    if not isinstance(temperature, float) or not temperature > 0.0:
        raise ValueError(f"temperature has to be a strictly positive float, but is {temperature!r}")
