"""Bloom for sampling: the shared model class with this architecture's name and defaults."""

from __future__ import annotations

from emulated_neuron.environment import refuse_before
from emulated_neuron.model import ModelForSampling

refuse_before("0.8", __name__)


class BloomForSampling(ModelForSampling):
    """A model of the Bloom family."""

    architecture = "bloom"

    default_n_positions = 2048
