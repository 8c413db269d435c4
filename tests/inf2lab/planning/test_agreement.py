"""The planner and the rehearsal's device agree: 200 configurations planned, then loaded with stand-in weights."""

from __future__ import annotations

import itertools
import random
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT / "lib" / "rehearsal" / "neuron") not in sys.path:  # as on a worker's PYTHONPATH
    sys.path.insert(0, str(ROOT / "lib" / "rehearsal" / "neuron"))

from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    PretrainedConfig,
)
from transformers_neuronx.bloom.model import BloomForSampling
from transformers_neuronx.config import NeuronConfig, QuantizationConfig
from transformers_neuronx.gpt2.model import GPT2ForSampling
from transformers_neuronx.gptj.model import GPTJForSampling
from transformers_neuronx.gptneox.model import GPTNeoXForSampling
from transformers_neuronx.llama.model import LlamaForSampling
from transformers_neuronx.opt.model import OPTForSampling

from inf2lab import catalog
from inf2lab.planning import Plan, plan_for
from neuron_rules import GIB, Fit, ModelDims

CONFIGURATIONS = 200
NARROW = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 8,
    "max_position_embeddings": 2048,
}
GPT = {"n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 8, "n_positions": 2048}
FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "bloom": (BloomForSampling, BloomConfig, {"hidden_size": 8, "n_layer": 1, "n_head": 2, "vocab_size": 8}),
    "gpt2": (GPT2ForSampling, GPT2Config, GPT),
    "gpt_neox": (GPTNeoXForSampling, GPTNeoXConfig, NARROW | {"intermediate_size": 16, "rotary_pct": 0.5}),
    "gptj": (GPTJForSampling, GPTJConfig, GPT | {"rotary_dim": 4}),
    "llama": (LlamaForSampling, LlamaConfig, NARROW | {"intermediate_size": 16}),
    "opt": (OPTForSampling, OPTConfig, NARROW | {"ffn_dim": 16, "word_embed_proj_dim": 8}),
}
MODELS = [
    "facebook/opt-1.3b",
    "facebook/opt-13b",
    "facebook/opt-30b",
    "facebook/opt-66b",
    "meta-llama/Llama-2-7b-hf",
    "meta-llama/Llama-2-70b-hf",
    "meta-llama/Meta-Llama-3-8B",
    "EleutherAI/gpt-j-6b",
    "EleutherAI/gpt-neox-20b",
    "bigscience/bloom-7b1",
]
CHOICES = {
    "profile": ["seed-0.21", "djl-0.25"],
    "instance": ["inf2.48xlarge", "inf2.24xlarge", "inf2.8xlarge", "trn1.32xlarge"],
    "tensor_parallel_degree": [1, 2, 3, 4, 8, 12, 16, 24, 32],
    "batch_size": [1, 2, 3, 8],
    "n_positions": [256, 1000, 2048],
    "dtype": ["f16", "bf16", "f32"],
    "weights": [None, None, "int8"],
}


def grid(model: str) -> list[dict[str, Any]]:
    """Its share of the configurations, drawn with a seed; only generations that have a class for the model."""
    combined = [dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())]
    drawn = random.Random(model).sample(combined, len(combined))
    architecture = catalog.model(model).architecture
    usable = [c for c in drawn if c["profile"] == "djl-0.25" or architecture in ("gptj", "opt")]
    return usable[: CONFIGURATIONS // len(MODELS)]


def stand_in(dims: ModelDims) -> PretrainedConfig:
    """The smallest model of the family, answering to the name of `dims`."""
    _, kind, sizes = FAMILIES[dims.architecture]
    named = {keys[0]: getattr(dims, dimension) for dimension, keys in dims.family.keys.items()}
    return kind(**sizes, rehearsal_stands_for={"name": dims.name, **named})


def load(made: Plan, weights: dict[str, torch.Tensor]) -> Any:
    """The model on the emulated cores of the plan's instance; raises what the device raises."""
    request = made.request
    kind, amp, more = FAMILIES[request.model.architecture][0], request.dtype, {}
    if request.matrix_dtype == "s8":
        more = {"neuron_config": NeuronConfig(quant=QuantizationConfig(quant_dtype="s8", dequant_dtype=amp))}
    elif request.matrix_dtype == "u8":
        amp = f"{amp}-u8-{amp}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch_dtype of the configuration|hidden_act='gelu' is ignored")
        model = kind(
            stand_in(request.model),
            batch_size=request.batch_size,
            amp=amp,
            tp_degree=request.tensor_parallel_degree,
            n_positions=request.n_positions,
            **more,
        )
    model.load_state_dict_low_memory(dict(weights))
    model.to_neuron()
    return model.rehearsal_report()


def agree(made: Plan, weights: dict[str, torch.Tensor]) -> str:
    """Load what was planned and compare; returns how the device answered."""
    try:
        report = load(made, weights)
    except NotImplementedError as refusal:  # the one limit of these families that the grid reaches
        return "int8 refused" if str(refusal) in made.problems else f"not in the plan: {refusal}"
    except RuntimeError as error:
        text = str(error)
        if not made.tensor_parallel.asked.ok:
            assert made.tensor_parallel.asked.reasons[0].text in text
            return "degree refused"
        assert "Allocation Failure" in text
        needed = re.search(r"needs ([\d.]+) GiB", text)
        assert needed is not None
        assert needed[1] == f"{made.memory.total / GIB:.2f}"
        assert made.verdict.fit is not Fit.FITS
        return "memory refused"
    assert made.tensor_parallel.asked.ok
    assert report.core_bytes == made.memory
    assert report.tp_degree == made.request.tensor_parallel_degree
    assert made.verdict.fit is not Fit.DOES_NOT_FIT
    return "loaded"


@pytest.fixture(scope="module")
def answers() -> dict[str, int]:
    """How often the device answered in which way, filled by the tests of this module."""
    return {}


@pytest.mark.parametrize("model", MODELS)
def test_plan_and_device_agree(
    model: str, monkeypatch: pytest.MonkeyPatch, answers: dict[str, int], emulated_instance: str
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("REHEARSAL_INSTANCE", emulated_instance)
    weights = AutoModelForCausalLM.from_config(stand_in(catalog.model(model))).state_dict()
    configurations = grid(model)
    assert len(configurations) == 20
    for choices in configurations:
        made = plan_for(model, **choices)
        hardware = made.request.hardware
        monkeypatch.setenv("REHEARSAL_TNX_GENERATION", made.request.generation.name)
        monkeypatch.setenv("REHEARSAL_NEURON_FAMILY", hardware.family)
        monkeypatch.setenv("REHEARSAL_NEURON_CORES", str(hardware.cores))
        answer = agree(made, weights)
        answers[answer] = answers.get(answer, 0) + 1


def test_the_grid_held_every_answer(answers: dict[str, int]) -> None:
    assert not [answer for answer in answers if answer.startswith("not in the plan")]
    if sum(answers.values()) < CONFIGURATIONS:
        pytest.skip("counts what the tests above have seen: run the whole file")
    assert sum(answers.values()) == CONFIGURATIONS
    assert min(answers.get(answer, 0) for answer in ("loaded", "degree refused", "memory refused", "int8 refused")) >= 5
