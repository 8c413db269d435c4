"""GPT-2 for sampling, and its variant that reads one prompt once and continues it in many rows."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import PretrainedConfig

from .._arguments import paddings
from .._environment import read_environment
from .._model import ModelForSampling


class GPT2ForSampling(ModelForSampling):
    """A model of the GPT-2 family."""

    architecture = "gpt2"


class GPT2ForSamplingWithContextBroadcasting(GPT2ForSampling):
    """GPT-2 with a program for the prompt, whose result is handed to all rows; one token bucket, n_positions.

    The number of rows is `num_seqs` in 0.2, and `batch_size` (with `prompt_batch_size`) from 0.3.
    """

    def __init__(
        self, config: PretrainedConfig, *, context_length_estimate: int | None = None, prompt_batch_size: int = 1,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        """As GPT2ForSampling; `context_length_estimate` is half of n_positions unless given."""
        if read_environment().generation.name == "0.2":
            kwargs["batch_size"] = kwargs.pop("num_seqs", 1)
        super().__init__(config, **kwargs)
        self.prompt_batch_size = prompt_batch_size
        self.context_length_estimate = context_length_estimate or self.n_positions // 2
        self.token_buckets = (self.n_positions,)

    def _context_buckets(self) -> tuple[int, ...]:
        return (self.context_length_estimate,)

    def _sample(
        self, input_ids: Tensor, sequence_length: int, start_ids: Any = None, top_k: int = 50
    ) -> Tensor:
        prompts = input_ids.shape[0]
        if self.batch_size % prompts:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of the {prompts} prompts")
        copies = self.batch_size // prompts  # the continuations of one prompt follow each other
        starts = paddings(start_ids)
        starts = None if starts is None else starts.repeat_interleave(copies)
        return super()._sample(input_ids.repeat_interleave(copies, dim=0), sequence_length, starts, top_k)
