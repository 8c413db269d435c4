"""Bloom for sampling: the shared model class with this architecture's name and defaults."""

from __future__ import annotations

from typing import Any

from emulated_neuron.environment import refuse_before
from emulated_neuron.model import ModelForSampling
from transformers import PretrainedConfig

refuse_before("0.8", __name__)


class BloomForSampling(ModelForSampling):
    """A model of the Bloom family; its arguments are named."""

    architecture = "bloom"
    default_n_positions = 2048
    names_batches = True

    def __init__(self, config: PretrainedConfig, **kwargs: Any) -> None:
        """As ModelForSampling, with keyword arguments only."""
        super().__init__(config, **kwargs)
