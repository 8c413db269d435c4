"""GPT2 for sampling: the shared model class with this architecture's name and defaults."""

from __future__ import annotations

from .._model import ModelForSampling


class GPT2ForSampling(ModelForSampling):
    """A model of the GPT2 family."""

    architecture = "gpt2"
