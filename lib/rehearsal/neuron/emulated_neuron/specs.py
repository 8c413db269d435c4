"""The six architectures as data: where a checkpoint keeps each matrix, and what the decoder does with it.

A seventh architecture is one more entry of FAMILIES, one in neuron_rules.architectures and a thin model module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from neuron_rules import ModelDims

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
    activation: str | None = None  # config attribute with its name; None is gelu_new
    norm: Literal["layer", "rms"] = "layer"
    norm_eps: str | None = None  # config attribute; None is 1e-5
    residual: Literal["sequential", "parallel"] = "sequential"
    rotary_pairs: Literal["halves", "neighbours"] = "halves"
    supported: Mapping[str, Any] = field(default_factory=dict)  # config attributes: the one value that works


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
            supported={"apply_residual_connection_post_layernorm": False},
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
            activation="activation_function",
            norm_eps="layer_norm_epsilon",
            supported={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False},
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
            activation="hidden_act",
            norm_eps="layer_norm_eps",
            residual="parallel",
            supported={"use_parallel_residual": True, "attention_bias": True, "rope_scaling": None},
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
            activation="activation_function",
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
            activation="hidden_act",
            norm="rms",
            norm_eps="rms_norm_eps",
            supported={"attention_bias": False, "mlp_bias": False, "rope_scaling": None},
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
            ),
            activation="activation_function",
            supported={"do_layer_norm_before": True, "enable_bias": True},  # facebook/opt-350m norms afterwards
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
        family = FAMILIES[config.model_type]
        _refuse_variants(config, family.supported)
        dims = ModelDims.from_config(config.to_dict())
        rotary = dims.family.positions == "rotary"
        return cls(
            dims=dims,
            family=family,
            activation=getattr(config, family.activation) if family.activation else "gelu_new",
            norm_eps=float(getattr(config, family.norm_eps)) if family.norm_eps else 1e-5,
            rotary_dim=_rotary_dim(config, dims.head_dim) if rotary else 0,
            rotary_base=_first(config, ("rope_theta", "rotary_emb_base"), 10000.0),
        )


def _refuse_variants(config: PretrainedConfig, supported: Mapping[str, Any]) -> None:
    for attribute, value in supported.items():
        found = getattr(config, attribute, value)
        if found != value:
            raise NotImplementedError(
                f"{config.model_type} with {attribute}={found!r} is not supported: use one with {attribute}={value!r}"
            )


def _rotary_dim(config: PretrainedConfig, head_dim: int) -> int:
    """GPT-J names the width, GPT-NeoX a part of the head, Llama rotates all of it."""
    return getattr(config, "rotary_dim", None) or int(head_dim * _first(config, ("rotary_pct",), 1.0))


def _first(config: PretrainedConfig, attributes: tuple[str, ...], default: float) -> float:
    values = (getattr(config, attribute, None) for attribute in attributes)
    return next((float(value) for value in values if value is not None), default)
