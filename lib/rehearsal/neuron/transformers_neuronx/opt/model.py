"""OPT for sampling: the shared model class with this architecture's name and defaults."""

from __future__ import annotations

from emulated_neuron.model import ModelForSampling


class OPTForSampling(ModelForSampling):
    """A model of the OPT family."""

    architecture = "opt"
    default_amp = None
    default_n_positions = 2048
