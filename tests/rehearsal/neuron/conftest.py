"""Puts the emulation on the path as a worker does, and builds tiny random models of every architecture."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
for folder in (ROOT / "lib", ROOT / "lib" / "rehearsal" / "neuron"):
    sys.path.insert(0, str(folder))

from emulated_neuron.model import ModelForSampling
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
    modeling_utils,
)
from transformers_neuronx.bloom.model import BloomForSampling
from transformers_neuronx.gpt2.model import GPT2ForSampling
from transformers_neuronx.gptj.model import GPTJForSampling
from transformers_neuronx.gptneox.model import GPTNeoXForSampling
from transformers_neuronx.llama.model import LlamaForSampling
from transformers_neuronx.opt.model import OPTForSampling

torch.set_num_threads(1)  # these models are too small for two
modeling_utils.unwrap_model = lambda model, **_: model  # to ask whether a saved one was compiled imports the compiler
VOCAB = 100
CLASSES = {
    "bloom": BloomForSampling,
    "gpt2": GPT2ForSampling,
    "gpt_neox": GPTNeoXForSampling,
    "gptj": GPTJForSampling,
    "llama": LlamaForSampling,
    "opt": OPTForSampling,
}
CONFIGS: dict[str, Callable[..., PretrainedConfig]] = {
    # Six heads, because ALiBi treats numbers that are no power of two apart.
    "bloom": lambda: BloomConfig(hidden_size=48, n_layer=2, n_head=6, vocab_size=VOCAB),
    "gpt2": lambda: GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=VOCAB, n_positions=256, eos_token_id=2),
    "gpt_neox": lambda: GPTNeoXConfig(
        hidden_act="gelu_new",
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        vocab_size=VOCAB,
        max_position_embeddings=256,
        rotary_pct=0.25,
    ),
    "gptj": lambda: GPTJConfig(
        n_embd=32, n_layer=2, n_head=4, vocab_size=VOCAB, n_positions=256, rotary_dim=4, eos_token_id=2
    ),
    "llama": lambda: LlamaConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        vocab_size=VOCAB,
        max_position_embeddings=256,
    ),
    "opt": lambda: OPTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=64,
        vocab_size=VOCAB,
        max_position_embeddings=256,
        word_embed_proj_dim=32,
    ),
}
OPT_13B = {
    "name": "facebook/opt-13b",
    "hidden_size": 5120,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
    "ffn_dim": 20480,
    "vocab_size": 50272,
    "max_position_embeddings": 2048,
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, emulated_instance: str) -> None:
    """Every test begins on 24 cores of generation 0.8, which no other process owns."""
    monkeypatch.setenv("REHEARSAL_INSTANCE", emulated_instance)
    for name in (
        "REHEARSAL_NEURON_FIRST_CORE",
        "REHEARSAL_TNX_GENERATION",
        "REHEARSAL_NEURON_CORES",
        "REHEARSAL_NEURON_FAMILY",
        "NEURON_RT_VISIBLE_CORES",
        "NEURON_RT_NUM_CORES",
        "NEURON_VOCAB_PAD_DIVISOR",
        "NEURON_INTERNAL_ASSUME_ALL_PROMPT_LENGTHS_ARE_EQUAL",
    ):
        monkeypatch.delenv(name, raising=False)
    torch.manual_seed(0)


@pytest.fixture
def old_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the test runs under the article's rules."""
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", "0.2")


def random_model(config: PretrainedConfig) -> PreTrainedModel:
    """A Hugging Face model with random numbers large enough that tokens differ in their logits."""
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.tie_weights()
    return model


@pytest.fixture(params=CLASSES)
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture by its Hugging Face model_type."""
    return request.param


@pytest.fixture
def reference(architecture: str) -> PreTrainedModel:
    """A tiny random Hugging Face model of `architecture`."""
    return random_model(CONFIGS[architecture]())


@pytest.fixture
def opt_reference() -> PreTrainedModel:
    """A tiny random OPT."""
    return random_model(CONFIGS["opt"]())


def _load(reference: PreTrainedModel, **arguments: Any) -> ModelForSampling:
    arguments = {"batch_size": 2, "amp": "f32", "tp_degree": 2, "n_positions": 256, **arguments}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch_dtype of the configuration")  # has a test of its own
        model = CLASSES[reference.config.model_type](reference.config, **arguments)
    model.load_state_dict_low_memory(reference.state_dict())
    model.to_neuron()
    return model


@pytest.fixture
def load() -> Callable[..., ModelForSampling]:
    """Puts a reference's weights on the device: two rows, two cores, f32 unless the arguments say otherwise."""
    return _load


@pytest.fixture
def tiny_config() -> Callable[[str], PretrainedConfig]:
    """The tiny configuration of an architecture."""
    return lambda architecture: CONFIGS[architecture]()


@pytest.fixture
def randomize() -> Callable[[PretrainedConfig], PreTrainedModel]:
    """A random Hugging Face model of a configuration."""
    return random_model


@pytest.fixture
def prompts() -> torch.Tensor:
    """Two random prompts of nine tokens, none of them special."""
    return torch.randint(3, VOCAB, (2, 9))
