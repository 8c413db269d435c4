"""GPTJ for sampling: the shared model class with this architecture's name and defaults."""

from __future__ import annotations

from .._model import ModelForSampling


class GPTJForSampling(ModelForSampling):
    """A model of the GPTJ family."""

    architecture = "gptj"
