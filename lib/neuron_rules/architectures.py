"""The six decoder families as data: what each keeps on a NeuronCore, and the config keys of its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .errors import UnknownName


@dataclass(frozen=True)
class Architecture:
    """One family: `keys` maps a dimension to the config keys that may hold it, first match wins."""

    name: str  # Hugging Face `model_type`
    title: str  # how people write it
    keys: Mapping[str, tuple[str, ...]]
    positions: Literal["learned", "rotary", "alibi"]
    position_offset: int = 0  # extra rows at the top of a learned position table
    norms_per_layer: int = 2
    norm_bias: bool = True
    gated_ffn: bool = False  # three feed-forward matrices instead of two
    attention_bias: bool = True
    ffn_bias: bool = True
    lm_head_bias: bool = False


def _keys(**names: str) -> Mapping[str, tuple[str, ...]]:
    """Config keys by dimension; several keys of one dimension are written with a `|` between them."""
    return MappingProxyType({dimension: tuple(keys.split("|")) for dimension, keys in names.items()})


_GPT2_KEYS = _keys(
    hidden="n_embd",
    layers="n_layer",
    heads="n_head",
    ffn="n_inner",
    vocab="vocab_size",
    max_positions="n_ctx|n_positions",
)
LLAMA_KEYS = _keys(
    hidden="hidden_size",
    layers="num_hidden_layers",
    heads="num_attention_heads",
    ffn="intermediate_size",
    vocab="vocab_size",
    max_positions="max_position_embeddings",
    kv_heads="num_key_value_heads",
)
_OPT_KEYS = _keys(
    hidden="hidden_size",
    layers="num_hidden_layers",
    heads="num_attention_heads",
    ffn="ffn_dim",
    vocab="vocab_size",
    max_positions="max_position_embeddings",
)
_NEOX_KEYS = _keys(
    hidden="hidden_size",
    layers="num_hidden_layers",
    heads="num_attention_heads",
    ffn="intermediate_size",
    vocab="vocab_size",
    max_positions="max_position_embeddings",
)
# ALiBi has no position table; `seq_length` is what BLOOM was trained with, kept as its largest n_positions.
_BLOOM_KEYS = _keys(
    hidden="hidden_size|n_embed",
    layers="n_layer|num_hidden_layers",
    heads="n_head|num_attention_heads",
    ffn="ffn_dim",
    vocab="vocab_size",
    max_positions="seq_length",
)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        family.name: family
        for family in (
            Architecture("bloom", "BLOOM", _BLOOM_KEYS, "alibi"),
            Architecture("gpt2", "GPT-2", _GPT2_KEYS, "learned"),
            Architecture("gpt_neox", "GPT-NeoX", _NEOX_KEYS, "rotary"),
            Architecture(
                "gptj", "GPT-J", _GPT2_KEYS, "rotary", norms_per_layer=1, attention_bias=False, lm_head_bias=True
            ),
            Architecture(
                "llama",
                "Llama",
                LLAMA_KEYS,
                "rotary",
                norm_bias=False,
                gated_ffn=True,
                attention_bias=False,
                ffn_bias=False,
            ),
            Architecture("opt", "OPT", _OPT_KEYS, "learned", position_offset=2),
        )
    }
)


def architecture(name: str) -> Architecture:
    """The family called `name` (its Hugging Face model_type); raises UnknownName."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        raise UnknownName("architecture", name, ARCHITECTURES) from None
