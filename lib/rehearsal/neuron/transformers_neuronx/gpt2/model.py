"""GPT-2 for sampling, and its variant that reads one prompt once and continues it in many rows."""

from __future__ import annotations

import dataclasses
from typing import Any

from emulated_neuron.arguments import paddings
from emulated_neuron.artifacts import check_program, load_program, save_program
from emulated_neuron.environment import read_environment
from emulated_neuron.model import ModelForSampling
from torch import Tensor
from transformers import PretrainedConfig


class GPT2ForSampling(ModelForSampling):
    """A model of the GPT-2 family; the only one of 0.8 that can save and load its compiled programs."""

    architecture = "gpt2"
    _artifacts: dict[str, object] | None = None

    def to_neuron(self) -> None:
        """As ModelForSampling; raises RuntimeError where loaded artifacts are for another shape."""
        if self._artifacts is not None:
            check_program(self._artifacts, self._program())
        super().to_neuron()

    def _save_compiled_artifacts(self, directory: str) -> None:
        """Write neuron-program.pkl; raises TypeError before to_neuron(), FileExistsError onto a file."""
        self._need_artifacts()
        self.rehearsal_report()
        save_program(directory, self._program())

    def _load_compiled_artifacts(self, directory: str) -> None:
        """Use saved programs in to_neuron(), which comes afterwards; raises FileNotFoundError."""
        self._need_artifacts()
        self._artifacts = load_program(directory)

    def _program(self) -> dict[str, object]:
        """What a compiled program is made for."""
        dims = dataclasses.asdict(dataclasses.replace(self.rule_dims, name=""))
        names = ("tp_degree", "batch_size", "n_positions", "amp", "unroll")
        return dims | {name: getattr(self, name) for name in names}

    def _need_artifacts(self) -> None:
        if self.environment.generation.name == "0.2":
            raise AttributeError("compiled artifacts came with transformers-neuronx 0.3: profile seed-0.21 has none")


class GPT2ForSamplingWithContextBroadcasting(GPT2ForSampling):
    """GPT-2 with a program for the prompt, whose result is handed to all rows; one token bucket, n_positions.

    The number of rows is `num_seqs` in 0.2, and `batch_size` (with `prompt_batch_size`) from 0.3.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        *,
        context_length_estimate: int | None = None,
        prompt_batch_size: int = 1,
        **kwargs: Any,
    ) -> None:
        """As GPT2ForSampling; `context_length_estimate` is half of n_positions unless given."""
        if read_environment().generation.name == "0.2":
            kwargs["batch_size"] = kwargs.pop("num_seqs", 1)
        super().__init__(config, **kwargs)
        self.prompt_batch_size = prompt_batch_size
        self.context_length_estimate = context_length_estimate or self.n_positions // 2
        self.token_buckets = (self.n_positions,)

    def _context_buckets(self) -> tuple[int, ...]:
        return (self.context_length_estimate,)

    def _sample(self, input_ids: Tensor, sequence_length: int, *, start_ids: Any = None, **filters: Any) -> Tensor:
        prompts = input_ids.shape[0]
        if self.batch_size % prompts:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of the {prompts} prompts")
        copies = self.batch_size // prompts  # the continuations of one prompt follow each other
        starts = paddings(start_ids)
        starts = None if starts is None else starts.repeat_interleave(copies)
        rows = input_ids.repeat_interleave(copies, dim=0)
        return super()._sample(rows, sequence_length, start_ids=starts, **filters)
