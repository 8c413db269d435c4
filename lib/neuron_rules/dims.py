"""The dimensions of one model, read from its config.json: the only thing the rules need to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .architectures import Architecture, architecture
from .errors import ImpossibleSize, IncompleteConfig

STANDS_FOR = "rehearsal_stands_for"
"""config.json key of a stand-in: the dimensions of the model whose name it answers to."""

_OPTIONAL = {"ffn", "kv_heads"}  # absent or null means 4 x hidden, and as many as query heads
_LARGEST = 1 << 31  # below it a size of any model, and numbers that can be computed with
_UNBOUNDED = 1 << 20  # n_positions that a family without a position table accepts when its config names none


@dataclass(frozen=True)
class ModelDims:
    """Sizes of one decoder-only model; `kv_heads` and `ffn` are filled in when left out."""

    architecture: str  # Hugging Face model_type: opt, gpt2, gptj, gpt_neox, llama, bloom
    hidden: int
    layers: int
    heads: int
    vocab: int
    max_positions: int
    ffn: int = 0
    kv_heads: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        architecture(self.architecture)  # raises UnknownName
        object.__setattr__(self, "ffn", self.ffn or 4 * self.hidden)
        object.__setattr__(self, "kv_heads", self.kv_heads or self.heads)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelDims:
        """Dimensions of the weights that belong to a config.json, as a mapping; raises NeuronRulesError."""
        family = architecture(str(config.get("model_type", "")))
        name = str(config.get("_name_or_path") or config.get("name") or family.title)
        return cls(family.name, name=name, **_read_sizes(family, config))

    @property
    def family(self) -> Architecture:
        """What the architecture keeps on the device, beyond its sizes."""
        return architecture(self.architecture)

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def parameters(self) -> int:
        """Number of parameters; the output matrix is counted as shared with the token embedding."""
        family = self.family
        attention = 2 * self.hidden * (self.heads + self.kv_heads) * self.head_dim
        feed_forward = (3 if family.gated_ffn else 2) * self.hidden * self.ffn
        biases = family.attention_bias * (2 * self.hidden + 2 * self.kv_heads * self.head_dim)
        biases += family.ffn_bias * (self.ffn + self.hidden)
        norm = self.hidden * (2 if family.norm_bias else 1)
        rows = self.vocab + (family.positions == "learned") * (self.max_positions + family.position_offset)
        layer = attention + feed_forward + biases + family.norms_per_layer * norm
        return rows * self.hidden + self.layers * layer + norm


def rule_dims(config: Mapping[str, Any]) -> ModelDims:
    """The dimensions the chip's rules apply to: a stand-in's are those of the model it answers for."""
    named = config.get(STANDS_FOR)
    if not isinstance(named, Mapping) or not named:
        return ModelDims.from_config(config)
    return ModelDims.from_config({"model_type": config.get("model_type", ""), **named})


def _read_sizes(family: Architecture, config: Mapping[str, Any]) -> dict[str, int]:
    sizes = {}
    for dimension, keys in family.keys.items():
        key = next((key for key in keys if config.get(key) is not None), None)
        if key is not None:
            sizes[dimension] = _size(key, config[key])
        elif dimension == "max_positions" and family.positions != "learned":
            sizes[dimension] = _UNBOUNDED
        elif dimension not in _OPTIONAL:
            raise IncompleteConfig(family.name, dimension, keys)
    if sizes["heads"] > sizes["hidden"]:
        rule = f"each of the {sizes['heads']} heads takes one column or more"
        raise ImpossibleSize(family.keys["hidden"][0], sizes["hidden"], rule)
    return sizes


def _size(key: str, value: object) -> int:
    """Return a size as a number; Hugging Face's tools write whole ones, and nothing computes with others."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 1 <= value < _LARGEST:  # True is no size either
        raise ImpossibleSize(key, value, "a size is a whole number from 1 on, as the model's own config.json has it")
    return value
