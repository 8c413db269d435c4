"""The six decoder families as data: what each keeps on a NeuronCore, and the config keys of its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

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
    works_with: Mapping[str, Any] = field(
        default_factory=dict
    )  # config attributes: the one value that the library computes
    activation: str | None = None  # config attribute with its name; None is gelu_new, whatever the model says
    only_gelu_new: bool = False  # another gelu is computed as gelu_new, with a warning
    splits_layers: bool = True  # `unroll` may put fewer than all layers into a program
    wants_f32: bool = False  # the vendor advises against f16


def _keys(**names: str) -> Mapping[str, tuple[str, ...]]:
    """Config keys by dimension; several keys of one dimension are written with a `|` between them."""
    return MappingProxyType({dimension: tuple(keys.split("|")) for dimension, keys in names.items()})


def _values(**values: Any) -> Mapping[str, Any]:
    return MappingProxyType(values)


_GPT2_KEYS = _keys(
    hidden="n_embd",
    layers="n_layer",
    heads="n_head",
    ffn="n_inner",
    vocab="vocab_size",
    max_positions="n_ctx|n_positions",
)
_USUAL = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "ffn": "intermediate_size",
    "vocab": "vocab_size",
    "max_positions": "max_position_embeddings",
}
LLAMA_KEYS = _keys(**_USUAL, kv_heads="num_key_value_heads")
_OPT_KEYS = _keys(**_USUAL | {"ffn": "ffn_dim"})
_NEOX_KEYS = _keys(**_USUAL)
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
            Architecture(
                "bloom",
                "BLOOM",
                _BLOOM_KEYS,
                "alibi",
                works_with=_values(apply_residual_connection_post_layernorm=False),
            ),
            Architecture(
                "gpt2",
                "GPT-2",
                _GPT2_KEYS,
                "learned",
                works_with=_values(scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False),
                activation="activation_function",
            ),
            # f32: release notes of transformers-neuronx 0.10 to 0.13; the rest: gptneox/model.py of 0.4 to 0.13
            Architecture(
                "gpt_neox",
                "GPT-NeoX",
                _NEOX_KEYS,
                "rotary",
                works_with=_values(use_parallel_residual=True, attention_bias=True, rope_scaling=None),
                activation="hidden_act",
                only_gelu_new=True,
                splits_layers=False,
                wants_f32=True,
            ),
            Architecture(
                "gptj",
                "GPT-J",
                _GPT2_KEYS,
                "rotary",
                norms_per_layer=1,
                attention_bias=False,
                lm_head_bias=True,
                activation="activation_function",
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
                works_with=_values(attention_bias=False, mlp_bias=False, rope_scaling=None),
                activation="hidden_act",
            ),
            # facebook/opt-350m norms afterwards
            Architecture(
                "opt",
                "OPT",
                _OPT_KEYS,
                "learned",
                position_offset=2,
                works_with=_values(do_layer_norm_before=True, enable_bias=True),
                activation="activation_function",
            ),
        )
    }
)


def architecture(name: str) -> Architecture:
    """The family called `name` (its Hugging Face model_type); raises UnknownName."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        raise UnknownName("architecture", name, ARCHITECTURES) from None
