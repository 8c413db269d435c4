"""Llama for sampling: the shared model class, with the sampling contract that only this family has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from emulated_neuron.arguments import paddings
from emulated_neuron.environment import refuse_before
from emulated_neuron.model import ModelForSampling
from emulated_neuron.sampling import sample_llama
from torch import Tensor
from transformers import PretrainedConfig

refuse_before("0.8", __name__)


class LlamaForSampling(ModelForSampling):
    """A model of the Llama family; its arguments are named, and the end-of-sequence token ends a row."""

    architecture = "llama"
    default_n_positions = 2048
    sample_defaults: ClassVar[Mapping[str, Any]] = {
        "cache_ids": None,
        "start_ids": None,
        "top_k": 50,
        "top_p": 1.0,
        "eos_token_override": None,
        "temperature": 1.0,
        "streamer": None,
    }

    def __init__(self, config: PretrainedConfig, **kwargs: Any) -> None:
        """As ModelForSampling, with keyword arguments only."""
        super().__init__(config, **kwargs)

    def _sample(
        self,
        input_ids: Tensor,
        sequence_length: int,
        *,
        cache_ids: Tensor | None = None,
        start_ids: Any = None,
        eos_token_override: int | None = None,
        **filters: Any,
    ) -> Tensor:
        eos = self.config.eos_token_id if eos_token_override is None else eos_token_override
        return sample_llama(
            self, input_ids, sequence_length, start_ids=paddings(start_ids), eos_token_id=eos, **filters
        )

    def _refuse_batch(self, input_ids: Tensor) -> NoReturn:
        raise ValueError(
            f"Model not compiled for batch_size : {input_ids.shape[0]}. Acceptable batch_size is {self.batch_size}"
        )
