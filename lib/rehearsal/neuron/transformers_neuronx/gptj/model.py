"""GPT-J for sampling: the shared model class with this architecture's name and limits."""

from __future__ import annotations

from typing import Any

from emulated_neuron.model import ModelForSampling
from transformers import PretrainedConfig


class GPTJForSampling(ModelForSampling):
    """A model of the GPT-J family; its heads are never padded."""

    architecture = "gptj"

    def __init__(self, config: PretrainedConfig, *args: Any, **kwargs: Any) -> None:
        """As ModelForSampling; `init_n_active_tokens` (0.2) raises NotImplementedError unless it is None."""
        super().__init__(config, *args, **kwargs)
        if self.options.get("init_n_active_tokens") is not None:
            raise NotImplementedError("init_n_active_tokens is not supported for GPT-J: leave it out")
