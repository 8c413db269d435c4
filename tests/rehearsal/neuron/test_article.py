"""The article's flow as a script of its own: Hugging Face -> cast -> split -> OPTForSampling -> sample."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from transformers import PreTrainedModel

import warm_worker
from inf2lab.weights import standins

ROOT = Path(__file__).resolve().parents[3]

FLOW = """
import json, sys
import torch
from transformers.models.opt import OPTForCausalLM
from transformers_neuronx import dtypes
from transformers_neuronx.module import save_pretrained_split
from transformers_neuronx.opt.model import OPTForSampling

source, load_path, amp, tp_degree = sys.argv[1:]
model = OPTForCausalLM.from_pretrained(source, low_cpu_mem_usage=True)
dtype = dtypes.to_torch_dtype(amp)
for block in model.model.decoder.layers:
    block.self_attn.to(dtype)
    block.fc1.to(dtype)
    block.fc2.to(dtype)
model.lm_head.to(dtype)
save_pretrained_split(model, load_path)
model = OPTForSampling.from_pretrained(load_path, batch_size=2, amp=amp, tp_degree=int(tp_degree), n_positions=256)
model.to_neuron()
with torch.inference_mode():
    tokens = model.sample(torch.as_tensor([[2, 5, 6, 7], [2, 8, 9, 10]]), sequence_length=64)
print(json.dumps([list(tokens.shape), tokens[:, :4].tolist()]))
"""


@pytest.fixture
def checkpoint(opt_reference: PreTrainedModel, tmp_path: Path) -> Path:
    opt_reference.save_pretrained(tmp_path / "opt")
    return tmp_path / "opt"


def run_flow(checkpoint: Path, amp: str, degree: int, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(ROOT / folder) for folder in ("lib/rehearsal/neuron", "lib"))
    own = {"REHEARSAL_INSTANCE": str(checkpoint.parent / "instance")}
    return subprocess.run(
        [warm_worker.python(), "-c", FLOW, str(checkpoint), str(checkpoint.parent / "split"), amp, str(degree)],
        env={**os.environ, "PYTHONPATH": path, **standins.worker_environment(), **own, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize("generation", ["0.2", "0.8"])
def test_the_flow_runs(checkpoint: Path, generation: str) -> None:
    done = run_flow(checkpoint, "f16", 2, REHEARSAL_TNX_GENERATION=generation)
    assert done.returncode == 0, done.stderr
    shape, prompts = json.loads(done.stdout)
    assert shape == [2, 64]
    assert prompts == [[2, 5, 6, 7], [2, 8, 9, 10]]


def test_the_articles_fp16_dies_with_a_key_error(checkpoint: Path) -> None:
    done = run_flow(checkpoint, "fp16", 2)
    assert done.stderr.strip().endswith("KeyError: 'fp16'")


def test_degree_3_dies_with_the_runtimes_error(checkpoint: Path) -> None:
    done = run_flow(checkpoint, "f16", 3)
    assert "RuntimeError: nrt_load_collectives status=2" in done.stderr


# Facts, section 1: what came after 0.2 cannot be imported in the article's image, and what comes after 0.8 in neither.
IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module("transformers_neuronx." + name)
    except ModuleNotFoundError as error:
        print(error.name)
"""
LATER = ["bloom.model", "config", "generation_utils", "gptneox.model", "llama.model"]


@pytest.mark.parametrize(("generation", "missing"), [("0.2", [*LATER, "mistral.model"]), ("0.8", ["mistral"])])
def test_modules_of_each_generation(generation: str, missing: list[str]) -> None:
    path = os.pathsep.join(str(ROOT / folder) for folder in ("lib/rehearsal/neuron", "lib"))
    done = subprocess.run(
        [
            warm_worker.python(),
            "-c",
            IMPORTS,
            "opt.model",
            "gpt2.model",
            "gptj.model",
            "sampling",
            *LATER,
            "mistral.model",
        ],
        env={**os.environ, **standins.worker_environment(), "PYTHONPATH": path, "REHEARSAL_TNX_GENERATION": generation},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stderr == ""
    found = [name.removeprefix("transformers_neuronx.").removesuffix(".model") for name in done.stdout.split()]
    assert found == [name.removesuffix(".model") for name in missing]


def test_the_articles_prompts_need_equal_lengths() -> None:
    import torch  # facts, section 5, ragged prompts: torch refuses before the package is asked

    with pytest.raises(ValueError, match="expected sequence of length"):
        torch.as_tensor([[2, 5, 6, 7], [2, 8, 9]])
