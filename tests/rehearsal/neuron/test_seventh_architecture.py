"""Adding an architecture takes what CONTRIBUTING.md lists and nothing in the decoder: here StarCoder2 is added.

It mixes what the six have apart: layer norms and biases with grouped heads, rotary positions and no gate.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from emulated_neuron import specs
from emulated_neuron.model import ModelForSampling
from torch import Tensor
from transformers import PreTrainedModel, Starcoder2Config

from neuron_rules import Architecture, architectures, generations

# --- the seventh architecture: what goes into neuron_rules/architectures.py ...
RULES = Architecture(
    "starcoder2",
    "StarCoder2",
    architectures.LLAMA_KEYS,
    "rotary",
    works_with={"use_bias": True, "sliding_window": None},
    activation="hidden_act",
)

# ... into emulated_neuron/specs.py ...
FAMILY = specs.Family(
    specs.Layout(
        embed="model.embed_tokens",
        final_norm="model.norm",
        layer="model.layers.{}.",
        norm1="input_layernorm",
        norm2="post_attention_layernorm",
        qkv=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out="self_attn.o_proj",
        up=("mlp.c_fc",),
        down="mlp.c_proj",
    ),
    norm_eps="norm_epsilon",
)


# ... and into starcoder2/model.py; the fourth place is its name in neuron_rules/generations.py.
class Starcoder2ForSampling(ModelForSampling):
    """A model of the StarCoder2 family."""

    architecture = "starcoder2"


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch, randomize) -> PreTrainedModel:
    """A tiny random StarCoder2, known to the rehearsal for one test."""
    rules = generations.GENERATIONS["0.8"]
    known = {
        "architectures": (*rules.architectures, "starcoder2"),
        "sample_arguments": {**rules.sample_arguments, "starcoder2": generations.SAMPLE_08},
        "constructor_arguments": {**rules.constructor_arguments, "starcoder2": ("neuron_config",)},
    }
    monkeypatch.setattr(generations, "GENERATIONS", {"0.8": dataclasses.replace(rules, **known)})
    monkeypatch.setattr(architectures, "ARCHITECTURES", {**architectures.ARCHITECTURES, "starcoder2": RULES})
    monkeypatch.setattr(specs, "FAMILIES", {**specs.FAMILIES, "starcoder2": FAMILY})
    return randomize(
        Starcoder2Config(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=64,
            vocab_size=100,
            max_position_embeddings=256,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


def test_it_computes_what_hugging_face_does(reference: PreTrainedModel, prompts: Tensor) -> None:
    model = Starcoder2ForSampling(reference.config, batch_size=2, n_positions=256)
    model.load_state_dict_low_memory(reference.state_dict())
    model.to_neuron()
    with torch.no_grad():
        expected = reference(prompts).logits[:, -1]
    torch.testing.assert_close(model.forward(prompts, torch.arange(9)), expected, atol=1e-4, rtol=0)
    arguments = {"attention_mask": torch.ones_like(prompts), "do_sample": False, "pad_token_id": 1}
    text = reference.generate(prompts, max_length=100, suppress_tokens=[2], **arguments)
    assert torch.equal(model.sample(prompts, 100, top_k=1), text)
