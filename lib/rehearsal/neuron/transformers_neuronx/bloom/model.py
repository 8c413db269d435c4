"""Bloom for sampling: the shared model class with this architecture's name and defaults."""

from __future__ import annotations

from .._model import ModelForSampling


class BloomForSampling(ModelForSampling):
    """A model of the Bloom family."""

    architecture = "bloom"

    default_n_positions = 2048
