"""The adapter that gives a model Hugging Face's generate(): greedy, sampling and beam search by transformers itself."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from emulated_neuron.environment import refuse_before
from emulated_neuron.model import ModelForSampling
from emulated_neuron.rolling_batch import RollingBatchMixin
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

refuse_before("0.8", __name__)
logger = logging.getLogger("transformers_neuronx")

# transformers reorders a cache only where it sees one; the real one never leaves the device.
_ON_DEVICE = ("on the device",)


class HuggingFaceGenerationModelAdapter(RollingBatchMixin, PreTrainedModel):
    """Wraps a model on the device; counts the positions that generate() has fed it so far."""

    # Attention happens on the device; transformers refuses a configuration's choice of it unless told so.
    _supports_sdpa = True
    _supports_flash_attn_2 = True

    def __init__(self, config: PretrainedConfig, model: ModelForSampling) -> None:
        """`config` is the Hugging Face configuration, `model` is on the device already."""
        super().__init__(copy.deepcopy(config))  # transformers writes its choice of attention into what it is given
        self.model = model
        self.cur_len = 0

    @property
    def device(self) -> torch.device:
        """The host, where inputs and logits are."""
        return torch.device("cpu")

    @property
    def batch_size(self) -> int:
        """Rows that the model was compiled for."""
        return self.model.batch_size

    def reset_generation(self) -> None:
        """Start again at position 0; call it before each generate()."""
        self.cur_len = 0

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Hugging Face's generate(), from position 0."""
        self.reset_generation()
        return super().generate(*args, **kwargs)

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The new tokens with their cache positions; left padding is read off the attention mask."""
        start = self.cur_len
        if start > 0:
            input_ids = input_ids[:, -1:]
        self.cur_len = start + input_ids.shape[1]
        start_ids = None if attention_mask is None else attention_mask.argmax(dim=-1)  # the first 1 of each row
        cache_ids = torch.arange(start, self.cur_len, dtype=torch.int32)
        return {"input_ids": input_ids, "cache_ids": cache_ids, "start_ids": start_ids}

    def forward(
        self,
        input_ids: Tensor,
        cache_ids: Tensor,
        start_ids: Tensor | None = None,
        *,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        attention_mask: Tensor | None = None,
        return_dict: bool = False,
    ) -> CausalLMOutputWithPast | tuple[Tensor]:
        """Logits (B, 1, V) of the last position; hidden states and attentions stay on the device."""
        if output_hidden_states or output_attentions:
            logger.warning("output_hidden_states and output_attentions are ignored: they stay on the device")
        logits = self.model(input_ids, cache_ids, start_ids).unsqueeze(1)
        if not return_dict:
            return (logits,)
        return CausalLMOutputWithPast(logits=logits, past_key_values=_ON_DEVICE)

    def _reorder_cache(self, past_key_values: Any, beam_idx: Tensor) -> Any:
        """Beam search: the rows of the device's cache follow the beams."""
        self.model.reorder_cache(beam_idx)
        return past_key_values
