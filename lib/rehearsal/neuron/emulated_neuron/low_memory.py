"""Modules whose parameters are read when they are needed and dropped afterwards, for model classes of one's own.

A parameter is uninitialized until `materialize()` and again after `nullify()`; where its tensor comes from is
remembered from `load_state_dict_dir()`. The classes of this package load through loading.py instead.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch.nn.parameter import UninitializedParameter

from emulated_neuron.checkpoint import WEIGHTS, SplitCheckpoint, open_checkpoint


class LowMemoryModule(torch.nn.Module):
    """Base of modules that hold their parameters only for as long as they are used."""

    def load_state_dict_dir(self, weights: str | os.PathLike) -> None:
        """Remember the file of each parameter in a split directory; a key that it lacks is passed over silently."""
        checkpoint = SplitCheckpoint(Path(weights))
        for name, module in self.named_modules():
            module._sources = {
                key: (checkpoint, full)
                for key in module._parameters
                if (full := f"{name}.{key}" if name else key) in checkpoint
            }

    def load_state_dict_low_memory(self, state_dict: dict[str, torch.Tensor]) -> None:
        """Take the parameters out of `state_dict`; a missing one stays uninitialized."""
        for name, module in self.named_modules():
            for key in module._parameters:
                full = f"{name}.{key}" if name else key
                if full in state_dict:
                    module._parameters[key] = _parameter(state_dict.pop(full))

    def materialize(self) -> None:
        """Read every remembered parameter that is not there yet, below this module too."""
        for module in self.modules():
            for key, (checkpoint, full) in getattr(module, "_sources", {}).items():
                if isinstance(module._parameters[key], UninitializedParameter):
                    module._parameters[key] = _parameter(checkpoint[full])

    def nullify(self) -> None:
        """Drop every parameter, below this module too."""
        for module in self.modules():
            for key, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[key] = _empty()


class LowMemoryModuleList(torch.nn.ModuleList, LowMemoryModule):
    """A list of such modules."""


class LowMemoryLazyLinear(LowMemoryModule):
    """A linear layer of `out_features`; the other side is that of the weights."""

    bias: torch.nn.Parameter | None

    def __init__(self, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.out_features = out_features
        self.weight = _empty()
        self.register_parameter("bias", _empty() if bias else None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x W + b."""
        return torch.nn.functional.linear(x, self.weight, self.bias)


class LowMemoryLayerNorm(LowMemoryModule):
    """A layer norm over the last `normalized_shape` numbers."""

    def __init__(self, normalized_shape: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.normalized_shape, self.eps = (normalized_shape,), eps
        self.weight = _empty()
        self.bias = _empty()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x, normalized."""
        return torch.nn.functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class LowMemoryEmbedding(LowMemoryModule):
    """A table of `num_embeddings` rows of `embedding_dim` numbers."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = _empty()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """The rows of `ids`."""
        return torch.nn.functional.embedding(ids, self.weight)


class PretrainedModel(LowMemoryModule):
    """A low-memory module with a configuration, opened from a model folder."""

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike, *args: Any, **kwargs: Any) -> Self:
        """`cls(config, ...)` with the folder's weights: remembered if split, read if one file.

        Raises FileNotFoundError where the folder has a configuration and no pytorch_model.bin.
        """
        from transformers import AutoConfig

        model = cls(AutoConfig.from_pretrained(path), *args, **kwargs)
        weights = Path(path) / WEIGHTS
        if weights.is_dir():
            model.load_state_dict_dir(weights)
        else:
            model.load_state_dict_low_memory(dict(open_checkpoint(path)))
        return model


class WrappingCheckpointCompatibleModel(PretrainedModel):
    """A model around `chkpt_model`, whose keys are those of the checkpoint."""

    def __init__(self, checkpoint_class: type[LowMemoryModule], *args: Any, **kwargs: Any) -> None:
        """Build the inner module from the remaining arguments."""
        super().__init__()
        self.chkpt_model = checkpoint_class(*args, **kwargs)

    def load_state_dict_dir(self, weights: str | os.PathLike) -> None:
        """As LowMemoryModule, without this class's own prefix."""
        self.chkpt_model.load_state_dict_dir(weights)

    def load_state_dict_low_memory(self, state_dict: dict[str, torch.Tensor]) -> None:
        """As LowMemoryModule, without this class's own prefix."""
        self.chkpt_model.load_state_dict_low_memory(state_dict)


def _empty() -> torch.nn.Parameter:
    return cast(
        torch.nn.Parameter, UninitializedParameter(requires_grad=False)
    )  # torch's stubs do not say that it is one


def _parameter(tensor: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(tensor.detach(), requires_grad=False)
