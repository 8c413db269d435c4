"""GPTNeoX for sampling: the shared model class with this architecture's name and defaults."""

from __future__ import annotations

from .._model import ModelForSampling


class GPTNeoXForSampling(ModelForSampling):
    """A model of the GPTNeoX family."""

    architecture = "gpt_neox"
