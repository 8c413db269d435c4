"""AWS's OPT notebooks as a conformance suite (facts, section 9): their own steps, on weights without numbers.

The model is made on the meta device, so that 66 billion parameters take no memory; every later line is the sample's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from emulated_neuron.environment import RehearsalError
from transformers import OPTConfig
from transformers.models.opt import OPTForCausalLM
from transformers_neuronx.module import save_pretrained_split
from transformers_neuronx.opt.gen_random_pretrained import named_config, without_numbers
from transformers_neuronx.opt.model import OPTForSampling

pytestmark = pytest.mark.filterwarnings("ignore:torch_dtype of the configuration")
FITS = pytest.raises(RehearsalError, match="NeuronCores hold the model, but this computer does not")
TOO_LARGE = pytest.raises(RuntimeError, match=r'nrt_tensor_allocate status=4 message="Allocation Failure"')


def save_split(config: OPTConfig, split: Path) -> None:
    """The notebook's first half: the Hugging Face model, rounded, as one file for each tensor."""

    def amp_callback(model: OPTForCausalLM, dtype: torch.dtype) -> None:
        for block in model.model.decoder.layers:
            block.self_attn.to(dtype)
            block.fc1.to(dtype)
            block.fc2.to(dtype)
        model.lm_head.to(dtype)

    model = without_numbers(config) if config.hidden_size > 1000 else OPTForCausalLM(config)
    amp_callback(model, torch.float16)
    save_pretrained_split(model, split)


def run_split(split: Path, batch_size: int, tp_degree: int, length: int = 2048) -> torch.Tensor:
    """The notebook's second half, to tokens."""
    model_neuron = OPTForSampling.from_pretrained(split, batch_size=batch_size, tp_degree=tp_degree, amp="f16")
    model_neuron.to_neuron()
    input_ids = torch.tensor([[2, 100, 6, 38, 437, 10, 2777, 1421, 6]] * batch_size) % model_neuron.config.vocab_size
    with torch.inference_mode():
        return model_neuron.sample(input_ids, sequence_length=length)


@pytest.fixture(scope="module")
def split_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The split model of a published size, written once: whatever the instance, its files are the same."""

    @functools.cache
    def split(size: str) -> Path:
        folder = tmp_path_factory.mktemp(size)
        save_split(named_config(f"facebook/opt-{size}"), folder)
        return folder

    return split


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Emulates an instance of a family with so many cores, on a computer with 8 GiB free."""

    def emulate(family: str, cores: int) -> None:
        monkeypatch.setenv("REHEARSAL_NEURON_FAMILY", family)
        monkeypatch.setenv("REHEARSAL_NEURON_CORES", str(cores))

    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 8 * 2**30}))
    return emulate


# notebook, batch, degree, instance; the columns of section 9's table, dates 2023-02 to 2024-09
NOTEBOOKS = [
    ("13b", 2, 2, "inf2", 2, FITS),  # inf2.8xlarge
    ("13b", 2, 2, "trn1", 32, FITS),  # trn1.32xlarge
    ("13b", 1, 8, "inf2", 24, FITS),
    ("30b", 2, 8, "inf2", 24, FITS),
    ("30b", 1, 8, "inf2", 24, FITS),
    ("30b", 1, 8, "trn1", 32, FITS),
    ("66b", 2, 24, "inf2", 24, FITS),
    ("66b", 2, 8, "trn1", 32, TOO_LARGE),  # "8 x 16 GB too small"
    ("66b", 2, 8, "inf2", 24, TOO_LARGE),
    ("13b", 3, 2, "inf2", 2, TOO_LARGE),  # expected failures below the table
]


@pytest.mark.parametrize("generation", ["0.2", "0.8"])
@pytest.mark.parametrize(("size", "batch", "degree", "family", "cores", "outcome"), NOTEBOOKS)
def test_notebook(
    instance: Callable,
    monkeypatch: pytest.MonkeyPatch,
    split_of: Callable[[str], Path],
    generation: str,
    size: str,
    batch: int,
    degree: int,
    family: str,
    cores: int,
    outcome: object,
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    instance(family, cores)
    with outcome:
        run_split(split_of(size), batch, degree)


def test_13b_at_degree_24_has_too_few_heads_for_the_old_rules(
    monkeypatch: pytest.MonkeyPatch, split_of: Callable[[str], Path]
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", "0.2")
    with pytest.raises(RuntimeError, match="40 attention heads cannot be divided by tensor parallel degree 24"):
        run_split(split_of("13b"), 2, 24)


def test_66b_has_too_few_cores_on_inf2_24xlarge(instance: Callable, split_of: Callable[[str], Path]) -> None:
    instance("inf2", 12)  # aws-neuron-sdk#749: degree 24 on 12 cores
    with pytest.raises(RuntimeError, match=r"nrt_tensor_allocate status=2.*24 NeuronCores and 12 are visible"):
        run_split(split_of("66b"), 2, 24)


def test_the_same_steps_end_in_tokens_where_the_weights_have_numbers(tmp_path: Path) -> None:
    config = OPTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=64,
        vocab_size=100,
        max_position_embeddings=2048,
        word_embed_proj_dim=32,
    )
    save_split(config, tmp_path)
    assert run_split(tmp_path, 2, 2, length=200).shape == (2, 200)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"n_positions": 4096}, ValueError), ({"amp": "fp16"}, KeyError), ({"unroll": "24"}, TypeError)],
    ids=str,
)
def test_expected_failures(
    split_of: Callable[[str], Path], arguments: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        OPTForSampling.from_pretrained(split_of("13b"), **{"amp": "f16", **arguments}).to_neuron()


def test_350m_norms_afterwards(tmp_path: Path) -> None:
    config = OPTConfig(hidden_size=1024, num_hidden_layers=24, word_embed_proj_dim=512, do_layer_norm_before=False)
    with pytest.raises(NotImplementedError, match="do_layer_norm_before=False"):
        OPTForSampling(config, amp="f16")
