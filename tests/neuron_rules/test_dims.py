"""Dimensions are read from the config.json of every family, and from the model that a stand-in answers for."""

from __future__ import annotations

import pytest

from neuron_rules import IncompleteConfig, ModelDims, UnknownName, rule_dims

OPT_125M = {
    "model_type": "opt",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "ffn_dim": 3072,
    "vocab_size": 50272,
    "max_position_embeddings": 2048,
}
CONFIGS = {
    "opt": OPT_125M,
    "gpt2": {
        "model_type": "gpt2",
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "vocab_size": 50257,
        "n_positions": 1024,
    },
    "gptj": {
        "model_type": "gptj",
        "n_embd": 4096,
        "n_layer": 28,
        "n_head": 16,
        "n_inner": None,
        "vocab_size": 50400,
        "n_positions": 2048,
    },
    "gpt_neox": {
        "model_type": "gpt_neox",
        "hidden_size": 6144,
        "num_hidden_layers": 44,
        "num_attention_heads": 64,
        "intermediate_size": 24576,
        "vocab_size": 50432,
        "max_position_embeddings": 2048,
    },
    "llama": {
        "model_type": "llama",
        "hidden_size": 8192,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "intermediate_size": 28672,
        "vocab_size": 32000,
        "max_position_embeddings": 4096,
    },
    "bloom": {"model_type": "bloom", "hidden_size": 14336, "n_layer": 70, "n_head": 112, "vocab_size": 250880},
}

# Parameters without a separate output matrix, from the models' own pages: 125M, 124M, 6B, 20B, 70B, 176B.
PARAMETERS = {"opt": 125e6, "gpt2": 124e6, "gptj": 5.84e9, "gpt_neox": 20.25e9, "llama": 68.7e9, "bloom": 176.2e9}


@pytest.mark.parametrize("family", CONFIGS)
def test_parameters_agree_with_the_published_size(family: str) -> None:
    dims = ModelDims.from_config(CONFIGS[family])
    assert dims.parameters == pytest.approx(PARAMETERS[family], rel=0.01)


def test_missing_feed_forward_width_is_four_times_the_hidden_width() -> None:
    assert ModelDims.from_config(CONFIGS["gpt2"]).ffn == 3072


def test_missing_key_value_heads_are_as_many_as_query_heads() -> None:
    assert ModelDims.from_config(OPT_125M).kv_heads == 12
    assert ModelDims.from_config(CONFIGS["llama"]).kv_heads == 8


def test_stand_in_is_ruled_by_the_model_it_answers_for() -> None:
    named = {
        "name": "facebook/opt-13b",
        "hidden_size": 5120,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "ffn_dim": 20480,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
    }
    dims = rule_dims({**OPT_125M, "rehearsal_stands_for": named})
    assert (dims.name, dims.heads, dims.layers) == ("facebook/opt-13b", 40, 40)
    assert dims.parameters == pytest.approx(12.85e9, rel=0.001)


def test_model_under_its_own_name_is_ruled_by_its_own_size() -> None:
    assert rule_dims(OPT_125M) == ModelDims.from_config(OPT_125M)


def test_unknown_architecture_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'mamba'.*opt"):
        ModelDims.from_config({"model_type": "mamba"})


def test_missing_dimension_names_its_key() -> None:
    config = {key: value for key, value in OPT_125M.items() if key != "num_attention_heads"}
    with pytest.raises(IncompleteConfig, match="`num_attention_heads`"):
        ModelDims.from_config(config)
