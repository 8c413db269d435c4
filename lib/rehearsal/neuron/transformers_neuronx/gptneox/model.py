"""GPT-NeoX for sampling: the shared model class with this architecture's name and limits."""

from __future__ import annotations

from typing import Any

from emulated_neuron.environment import refuse_before
from emulated_neuron.model import ModelForSampling
from transformers import PretrainedConfig

from neuron_rules import refused_unroll

refuse_before("0.8", __name__)


class GPTNeoXForSampling(ModelForSampling):
    """A model of the GPT-NeoX family; its heads are never padded."""

    architecture = "gpt_neox"

    def __init__(self, config: PretrainedConfig, *args: Any, **kwargs: Any) -> None:
        """As ModelForSampling; `unroll` raises NotImplementedError unless it is None."""
        super().__init__(config, *args, **kwargs)
        if refusal := refused_unroll(self.architecture, self.unroll, self.rule_dims.layers):
            raise NotImplementedError(refusal)
