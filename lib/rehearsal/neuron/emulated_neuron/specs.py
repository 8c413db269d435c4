"""The six architectures as data: where a checkpoint keeps each matrix, and what the decoder does with it.

A seventh architecture is one more entry of FAMILIES, one in neuron_rules.architectures and a thin model module.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from neuron_rules import Architecture, ModelDims, computed_activation, refused_variants

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Layout:
    """Keys of a checkpoint; those of a layer follow `layer.format(index)`. Weight and bias hang below each name."""

    embed: str
    final_norm: str
    layer: str
    norm1: str
    qkv: tuple[str, ...]
    out: str
    up: tuple[str, ...]  # gate first where the feed-forward is gated
    down: str
    norm2: str | None = None  # GPT-J has one norm for both branches
    positions: str | None = None
    embed_norm: str | None = None
    lm_head: str = "lm_head"
    qkv_order: Literal["separate", "stacked", "by head"] = "separate"
    transposed: bool = False  # matrices are stored [in, out]


@dataclass(frozen=True)
class Family:
    """What distinguishes the computation; the names of config attributes stand for their values."""

    layout: Layout
    norm: Literal["layer", "rms"] = "layer"
    norm_eps: str | None = None  # config attribute; None is 1e-5
    residual: Literal["sequential", "parallel"] = "sequential"
    rotary_pairs: Literal["halves", "neighbours"] = "halves"


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "bloom": Family(
            Layout(
                embed="transformer.word_embeddings",
                embed_norm="transformer.word_embeddings_layernorm",
                final_norm="transformer.ln_f",
                layer="transformer.h.{}.",
                norm1="input_layernorm",
                norm2="post_attention_layernorm",
                qkv=("self_attention.query_key_value",),
                qkv_order="by head",
                out="self_attention.dense",
                up=("mlp.dense_h_to_4h",),
                down="mlp.dense_4h_to_h",
            ),
            norm_eps="layer_norm_epsilon",
        ),
        "gpt2": Family(
            Layout(
                embed="transformer.wte",
                positions="transformer.wpe",
                final_norm="transformer.ln_f",
                layer="transformer.h.{}.",
                norm1="ln_1",
                norm2="ln_2",
                qkv=("attn.c_attn",),
                qkv_order="stacked",
                out="attn.c_proj",
                up=("mlp.c_fc",),
                down="mlp.c_proj",
                transposed=True,
            ),
            norm_eps="layer_norm_epsilon",
        ),
        "gpt_neox": Family(
            Layout(
                embed="gpt_neox.embed_in",
                final_norm="gpt_neox.final_layer_norm",
                layer="gpt_neox.layers.{}.",
                norm1="input_layernorm",
                norm2="post_attention_layernorm",
                qkv=("attention.query_key_value",),
                qkv_order="by head",
                out="attention.dense",
                up=("mlp.dense_h_to_4h",),
                down="mlp.dense_4h_to_h",
                lm_head="embed_out",
            ),
            norm_eps="layer_norm_eps",
            residual="parallel",
        ),
        "gptj": Family(
            Layout(
                embed="transformer.wte",
                final_norm="transformer.ln_f",
                layer="transformer.h.{}.",
                norm1="ln_1",
                qkv=("attn.q_proj", "attn.k_proj", "attn.v_proj"),
                out="attn.out_proj",
                up=("mlp.fc_in",),
                down="mlp.fc_out",
            ),
            norm_eps="layer_norm_epsilon",
            residual="parallel",
            rotary_pairs="neighbours",
        ),
        "llama": Family(
            Layout(
                embed="model.embed_tokens",
                final_norm="model.norm",
                layer="model.layers.{}.",
                norm1="input_layernorm",
                norm2="post_attention_layernorm",
                qkv=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                out="self_attn.o_proj",
                up=("mlp.gate_proj", "mlp.up_proj"),
                down="mlp.down_proj",
            ),
            norm="rms",
            norm_eps="rms_norm_eps",
        ),
        "opt": Family(
            Layout(
                embed="model.decoder.embed_tokens",
                positions="model.decoder.embed_positions",
                final_norm="model.decoder.final_layer_norm",
                layer="model.decoder.layers.{}.",
                norm1="self_attn_layer_norm",
                norm2="final_layer_norm",
                qkv=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                out="self_attn.out_proj",
                up=("fc1",),
                down="fc2",
            )
        ),
    }
)


@dataclass(frozen=True)
class Spec:
    """One model: sizes of the weights that compute, and the choices of its family with their values."""

    dims: ModelDims
    family: Family
    activation: str
    norm_eps: float
    rotary_dim: int  # how much of a head is rotated; 0 without rotary positions
    rotary_base: float

    @classmethod
    def from_config(cls, config: PretrainedConfig) -> Spec:
        """Read a configuration; raises NotImplementedError for the variants that the real package refuses too."""
        family, values = FAMILIES[config.model_type], config.to_dict()
        for refusal in refused_variants(values):
            raise NotImplementedError(refusal)
        dims = ModelDims.from_config(values)
        rotary = dims.family.positions == "rotary"
        return cls(
            dims=dims,
            family=family,
            activation=_activation(config, dims.family),
            norm_eps=float(getattr(config, family.norm_eps)) if family.norm_eps else 1e-5,
            rotary_dim=_rotary_dim(config, dims.head_dim) if rotary else 0,
            rotary_base=_first(config, ("rope_theta", "rotary_emb_base"), 10000.0),
        )


def _activation(config: PretrainedConfig, family: Architecture) -> str:
    name = getattr(config, family.activation) if family.activation else "gelu_new"
    computed = computed_activation(family, name)
    if computed != name:
        warnings.warn(f"{family.activation}={name!r} is ignored: {computed!r} is computed", stacklevel=3)
    return computed


def _rotary_dim(config: PretrainedConfig, head_dim: int) -> int:
    """GPT-J names the width, GPT-NeoX a part of the head, Llama rotates all of it."""
    return getattr(config, "rotary_dim", None) or int(head_dim * _first(config, ("rotary_pct",), 1.0))


def _first(config: PretrainedConfig, attributes: tuple[str, ...], default: float) -> float:
    values = (getattr(config, attribute, None) for attribute in attributes)
    return next((float(value) for value in values if value is not None), default)
