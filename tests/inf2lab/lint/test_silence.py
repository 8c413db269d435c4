"""What a rule must not say: configurations that were called wrong once, and load and answer on the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from inf2lab.lint import RULES

if TYPE_CHECKING:
    from conftest import Lint

OPT = "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-1.3b\n"
IMAGE = "deepjavalibrary/djl-serving:0.25.0-pytorch-inf2"
HANDLE = "\n\ndef handle(inputs):\n    if inputs.is_empty():\n        return None\n    return str(inputs)\n"
ADAPTER = "transformers_neuronx.generation_utils"


def started(words: str) -> dict[str, str]:
    return {
        "serving.properties": OPT + "option.tensor_parallel_degree=2\n",
        "run.sh": f"docker run -p 127.0.0.1:8080:8080 {words}\n",
    }


def handled(code: str, model: str = "facebook/opt-1.3b", **more: str) -> dict[str, str]:
    return {"serving.properties": f"option.model_id={model}\n", "model.py": code + HANDLE, **more}


# (rule, what it must be silent about, profile): the rule's name is in no finding.
SILENT: dict[str, tuple[str, Any, str]] = {
    "B001 the server's batch is the model's, where no option says another": (
        "B001",
        OPT + "batch_size=4\n",
        "djl-0.25",
    ),
    "B001 max_dynamic_batch_size is the same key": ("B001", OPT + "max_dynamic_batch_size=4\n", "djl-0.29"),
    "B001 the server gathers no more than the model has rows": (
        "B001",
        OPT + "option.batch_size=4\nbatch_size=2\n",
        "djl-0.25",
    ),
    "B004 a batch of one beside a rolling batch": ("B004", OPT + "batch_size=1\n", "djl-0.32"),
    "B004 a rolling batch that is off": ("B004", OPT + "batch_size=4\noption.rolling_batch=disable\n", "djl-0.32"),
    "K002 a key that the server reads from 0.27 on": ("K002", OPT + "max_dynamic_batch_size=4\n", "djl-0.27"),
    "K002 keys of the server's metrics and memory": (
        "K002",
        OPT + "reserved_memory_mb=500\nretry_threshold=3\nlog_model_metric=true\n",
        "djl-0.25",
    ),
    "K002 what vLLM reads of a rolling batch": (
        "K002",
        OPT + "option.rolling_batch=vllm\noption.block_size=32\n",
        "djl-0.32",
    ),
    "V003 the loaders of each release": ("V003", OPT + "option.model_loader=nxdi\n", "djl-0.32"),
    "S002 a privileged container sees every device": ("S002", started(f"--privileged {IMAGE}"), "djl-0.25"),
    "S002 a container of something else": ("S002", started("nginx:1"), "djl-0.25"),
    "S005 a model that the hub gives": ("S005", started(f"-e HF_MODEL_ID=gpt2 {IMAGE}"), "djl-0.25"),
    "S007 SageMaker's image": (
        "S007",
        started("1.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.25.0-neuronx-sdk2.15.0"),
        "djl-0.25",
    ),
    "S007 somebody's own image": ("S007", started("registry.example/our-djl:7"), "djl-0.25"),
    "I003 a model that the environment names": (
        "I003",
        {"serving.properties": OPT.rpartition("option.")[0], "run.sh": f"docker run -e OPTION_MODEL_ID=gpt2 {IMAGE}\n"},
        "djl-0.25",
    ),
    "I004 a family that another loader loads": (
        "I004",
        OPT.replace("facebook/opt-1.3b", "Qwen/Qwen3-8B") + "option.model_loader=nxdi\n",
        "djl-0.32",
    ),
    "I004 Llama 3.1 where transformers reads it": (
        "I004",
        OPT.replace("facebook/opt-1.3b", "meta-llama/Llama-3.1-8B"),
        "lmi-0.30",
    ),
    "I005 int8 of a family that has it": ("I005", OPT + "option.load_in_8bit=true\n", "djl-0.25"),
    "M015 an import that is tried": (
        "M015",
        handled(f"try:\n    import {ADAPTER}\nexcept ImportError:\n    pass\n"),
        "seed-0.21",
    ),
    "M015 a class's own methods": (
        "M015",
        handled("from transformers_neuronx.opt.model import OPTForSampling\n\nLOAD = OPTForSampling.from_pretrained\n"),
        "djl-0.25",
    ),
    "M016 eight bits as 0.2 spells them": (
        "M016",
        handled('MODEL = OPTForSampling.from_pretrained("/split", amp="f16-u8-f16")\n'),
        "seed-0.21",
    ),
    "M016 an argument of a release whose list nobody wrote down": (
        "M016",
        handled('MODEL = OPTForSampling.from_pretrained("/split", amp="f16")\nMODEL.sample(None, 8, streamer=None)\n'),
        "djl-0.29",
    ),
    "M017 a folder that was split before": (
        "M017",
        handled('save_pretrained_split(None, "split")\nMODEL = OPTForSampling.from_pretrained("split")\n'),
        "djl-0.25",
    ),
    "M017 a release that downloads by itself": (
        "M017",
        handled('MODEL = LlamaForSampling.from_pretrained("meta-llama/Llama-2-7b-hf")\n'),
        "djl-0.27",
    ),
    "M018 what the image has is enough": (
        "M018",
        handled("", **{"requirements.txt": "transformers>=4.30,<5\naccelerate~=0.23.0\n# torch==9\npandas==2\n"}),
        "djl-0.25",
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_a_rule_is_silent_about_what_works(name: str, lint_files: Lint) -> None:
    rule, files, profile = SILENT[name]
    assert name.startswith(rule)
    assert rule in RULES
    found = lint_files(files, profile, "inf2.24xlarge", "m").findings
    assert [str(f) for f in found if f.rule == rule] == []
