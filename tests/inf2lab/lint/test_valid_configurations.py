"""Configurations that DJLServing's own documentation, demos and tests describe: none may give an error."""

# ruff: noqa: E501 - one case a row reads as a table
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.finding import Severity

if TYPE_CHECKING:
    from conftest import Lint


def written(**options: object) -> str:
    """serving.properties as DJL's test script writes it: engine, entry point, then `option.` for each key."""
    entry = options.pop("entry", "djl_python.transformers_neuronx")
    plain = options.pop("plain", {})
    lines = ["engine=Python", *([f"option.entryPoint={entry}"] if entry else [])]
    lines += [f"option.{key}={value}" for key, value in options.items()]
    return "\n".join([*lines, *(f"{key}={value}" for key, value in plain.items())]) + "\n"


RAW = """\
import torch
from djl_python import Input, Output

model = None


def load(properties):
    degree = int(properties.get("tensor_parallel_degree", 2))
    return (degree, int(properties.get("batch_size", 4)), properties.get("dtype", "f32"),
            properties.get("n_positions", "128"), properties.get("model_id") or properties.get("model_dir"))


def handle(inputs: Input) -> Output:
    global model
    if model is None:
        model = load(inputs.get_properties())
    if inputs.is_empty():
        return None
    return Output().add(str(model))
"""
OLD, MIDDLE = "djl_python.transformer-neuronx", "djl_python.transformers-neuronx"
ROLLING = {"rolling_batch": "auto", "dtype": "fp16"}

# (name, profile, instance, files). Upstream tests: tests/integration/llm/prepare.py at each tag, as the facts tell it;
# demos: djl-demo aws/sagemaker/large-model-inference; samples: OPT-13B/30B/66B of aws-neuron-samples.
VALID = {
    "0.21 test: opt-1.3b": (
        "seed-0.21",
        "inf2.24xlarge",
        written(
            entry=OLD,
            model_id="facebook/opt-1.3b",
            batch_size=4,
            tensor_parallel_degree=4,
            n_positions=256,
            dtype="fp16",
            model_loading_timeout=600,
        ),
    ),
    "0.21 test: opt-1.3b from s3": (
        "seed-0.21",
        "inf2.24xlarge",
        written(
            entry=OLD,
            s3url="s3://djl-llm/opt-1.3b/",
            batch_size=4,
            tensor_parallel_degree=4,
            n_positions=512,
            dtype="fp16",
        ),
    ),
    "0.21 test: gpt2 model.py": (
        "seed-0.21",
        "inf2.xlarge",
        {
            "serving.properties": written(
                entry=None, model_id="gpt2", batch_size=4, tensor_parallel_degree=2, n_positions=128, dtype="f32"
            ),
            "model.py": RAW,
        },
    ),
    "0.21 sample: opt-66b at 24": (
        "seed-0.21",
        "inf2.48xlarge",
        written(
            entry=OLD,
            model_id="facebook/opt-66b",
            batch_size=2,
            tensor_parallel_degree=24,
            n_positions=2048,
            dtype="fp16",
        ),
    ),
    "0.21 sample: opt-30b at 8": (
        "seed-0.21",
        "inf2.48xlarge",
        written(
            entry=OLD,
            model_id="facebook/opt-30b",
            batch_size=1,
            tensor_parallel_degree=8,
            n_positions=2048,
            dtype="fp16",
        ),
    ),
    "0.22 test: gpt-j": (
        "djl-0.22",
        "inf2.24xlarge",
        written(
            entry=MIDDLE,
            model_id="s3://djl-llm/gpt-j-6b/",
            batch_size=4,
            tensor_parallel_degree=8,
            n_positions=512,
            dtype="fp32",
            model_loading_timeout=720,
        ),
    ),
    "0.22 test: streaming": (
        "djl-0.22",
        "inf2.8xlarge",
        written(
            entry=MIDDLE,
            model_id="facebook/opt-1.3b",
            batch_size=1,
            tensor_parallel_degree=2,
            n_positions=256,
            dtype="fp16",
            enable_streaming="true",
        ),
    ),
    "0.22: handler chosen by the server": (
        "djl-0.22",
        "inf2.8xlarge",
        written(entry=None, model_id="facebook/opt-1.3b", tensor_parallel_degree=2),
    ),
    "0.23 test: hugging face streaming": (
        "djl-0.23",
        "inf2.8xlarge",
        written(
            entry=MIDDLE,
            model_id="facebook/opt-1.3b",
            batch_size=2,
            tensor_parallel_degree=2,
            n_positions=512,
            dtype="fp16",
            enable_streaming="huggingface",
        ),
    ),
    "0.23 test: stable diffusion": (
        "djl-0.23",
        "inf2.8xlarge",
        written(
            entry=MIDDLE,
            model_id="stabilityai/stable-diffusion-2-1",
            batch_size=1,
            tensor_parallel_degree=2,
            dtype="bf16",
            use_stable_diffusion="true",
        ),
    ),
    "0.23: defaults": ("djl-0.23", "inf2.8xlarge", written(entry=MIDDLE, model_id="gpt2", tensor_parallel_degree=2)),
    "0.24 test: pythia": (
        "djl-0.24",
        "inf2.24xlarge",
        written(
            model_id="s3://djl-llm/pythia-2.8b/", batch_size=4, tensor_parallel_degree=2, n_positions=512, dtype="fp16"
        ),
    ),
    "0.24 test: open llama in int8": (
        "djl-0.24",
        "inf2.24xlarge",
        written(
            model_id="s3://djl-llm/open-llama-7b/",
            batch_size=4,
            tensor_parallel_degree=4,
            n_positions=512,
            dtype="fp16",
            load_in_8bit="true",
        ),
    ),
    "0.24 test: bloom": (
        "djl-0.24",
        "inf2.24xlarge",
        written(model_id="bigscience/bloom-7b1", batch_size=4, tensor_parallel_degree=8, n_positions=256, dtype="fp16"),
    ),
    "0.24 test: rolling batch": (
        "djl-0.24",
        "inf2.24xlarge",
        written(
            model_id="s3://djl-llm/opt-1.3b/",
            tensor_parallel_degree=4,
            n_positions=512,
            max_rolling_batch_size=4,
            model_loading_timeout=1800,
            **ROLLING,
        ),
    ),
    "0.24: degree max": (
        "djl-0.24",
        "inf2.8xlarge",
        written(model_id="facebook/opt-1.3b", tensor_parallel_degree="max", n_positions=512, dtype="bf16"),
    ),
    "0.24: optimize level": (
        "djl-0.24",
        "inf2.24xlarge",
        written(
            model_id="facebook/opt-6.7b",
            tensor_parallel_degree=4,
            dtype="fp16",
            neuron_optimize_level=2,
            low_cpu_mem_usage="true",
            trust_remote_code="true",
            revision="main",
            n_positions=2048,
        ),
    ),
    "0.25 test: server batch": (
        "djl-0.25",
        "inf2.24xlarge",
        written(
            model_id="facebook/opt-1.3b",
            batch_size=4,
            tensor_parallel_degree=4,
            n_positions=512,
            dtype="fp16",
            plain={"batch_size": 4, "max_batch_delay": 100},
        ),
    ),
    "0.25 test: split model": (
        "djl-0.25",
        "inf2.24xlarge",
        written(
            model_id="s3://djl-llm/gpt2-split/",
            load_split_model="true",
            tensor_parallel_degree=2,
            n_positions=512,
            dtype="fp16",
        ),
    ),
    "0.25 test: compiled graph": (
        "djl-0.25",
        "inf2.24xlarge",
        written(
            model_id="s3://djl-llm/open-llama-7b/",
            compiled_graph_path="s3://djl-llm/open-llama-7b-graph/",
            context_length_estimate="256,512",
            tensor_parallel_degree=4,
            n_positions=512,
            dtype="fp16",
        ),
    ),
    "0.25 test: int8": (
        "djl-0.25",
        "inf2.24xlarge",
        written(model_id="gpt2", quantize="bitsandbytes8", tensor_parallel_degree=2, n_positions=512, dtype="fp16"),
    ),
    "0.25 test: rolling batch": (
        "djl-0.25",
        "inf2.24xlarge",
        written(
            model_id="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
            tensor_parallel_degree=2,
            n_positions=512,
            max_rolling_batch_size=4,
            **ROLLING,
        ),
    ),
    "0.25: workers and queue": (
        "djl-0.25",
        "inf2.8xlarge",
        written(
            model_id="facebook/opt-1.3b",
            tensor_parallel_degree=2,
            dtype="fp16",
            predict_timeout=300,
            plain={"minWorkers": 1, "maxWorkers": 1, "job_queue_size": 100, "max_idle_time": 60, "gpu.maxWorkers": 1},
        ),
    ),
    "0.25: fake device": (
        "djl-0.25",
        "inf2.8xlarge",
        written(model_id="facebook/opt-1.3b", tensor_parallel_degree=2, dtype="fp16", plain={"load_on_devices": "nc0"}),
    ),
    "0.25: model.py with entry point": (
        "djl-0.25",
        "inf2.8xlarge",
        {
            "serving.properties": "engine=Python\noption.entryPoint=model.py\nminWorkers=1\nmaxWorkers=1\n",
            "model.py": HANDLER,
        },
    ),
    "0.25: model.py alone": ("djl-0.25", "inf2.8xlarge", {"model.py": HANDLER}),
    "0.25: worker environment": (
        "djl-0.25",
        "inf2.8xlarge",
        {
            "serving.properties": written(
                entry="model.py",
                env="A=1,B=2",
                pythonExecutable="/usr/bin/python3",
                handler="handle",
                parallel_loading="true",
            ),
            "model.py": HANDLER,
        },
    ),
    "0.25: continuation line and colon": (
        "djl-0.25",
        "inf2.8xlarge",
        "! by hand\nengine : Python\noption.entryPoint=djl_python.transformers_neuronx\noption.model_id = facebook/opt-1.3b\noption.context_length_estimate=128,\\\n   256\noption.tensor_parallel_degree 2\n",
    ),
    "0.26 test: mistral": (
        "djl-0.26",
        "inf2.24xlarge",
        written(
            model_id="mistralai/Mistral-7B-v0.1",
            tensor_parallel_degree=4,
            n_positions=1024,
            max_rolling_batch_size=4,
            output_formatter="json",
            **ROLLING,
        ),
    ),
    "0.26 demo: opt": (
        "djl-0.26",
        "inf2.8xlarge",
        written(
            model_id="facebook/opt-1.3b",
            task="text-generation",
            tensor_parallel_degree=2,
            n_positions=512,
            quantize="static_int8",
        ),
    ),
    "0.27 demo: llama-13b": (
        "djl-0.27",
        "inf2.48xlarge",
        written(
            model_id="TheBloke/Llama-2-13B-fp16",
            tensor_parallel_degree=12,
            n_positions=4096,
            max_rolling_batch_size=8,
            model_loading_timeout=3600,
            **ROLLING,
        ),
    ),
    "0.27 demo: llama-70b": (
        "djl-0.27",
        "inf2.48xlarge",
        written(
            model_id="TheBloke/Llama-2-70B-fp16",
            tensor_parallel_degree=24,
            n_positions=512,
            max_rolling_batch_size=4,
            model_loader="tnx",
            fuse_qkv="True",
            **ROLLING,
        ),
    ),
    "0.28 test: speculative": (
        "djl-0.28",
        "inf2.48xlarge",
        written(
            model_id="s3://djl-llm/llama-2-13b-hf/",
            speculative_draft_model="s3://djl-llm/llama-2-tiny/",
            speculative_length=4,
            tensor_parallel_degree=12,
            n_positions=512,
            max_rolling_batch_size=1,
            **ROLLING,
        ),
    ),
    "0.28 test: vllm": (
        "djl-0.28",
        "inf2.24xlarge",
        written(
            model_id="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
            tensor_parallel_degree=2,
            n_positions=512,
            max_rolling_batch_size=4,
            rolling_batch="vllm",
            dtype="fp16",
        ),
    ),
    "0.29 test: mixtral": (
        "djl-0.29",
        "inf2.48xlarge",
        written(
            model_id="mistralai/Mixtral-8x7B-v0.1",
            tensor_parallel_degree=8,
            n_positions=1024,
            max_rolling_batch_size=4,
            **ROLLING,
        ),
    ),
    "0.29: recommended entry point": (
        "djl-0.29",
        "inf2.8xlarge",
        {
            "serving.properties": written(entry=None, model_id="facebook/opt-1.3b", tensor_parallel_degree=2),
            "model.py": "def custom_formatter(output):\n    return output\n",
        },
    ),
    "0.30 docs: smart defaults": (
        "lmi-0.30",
        "inf2.24xlarge",
        written(model_id="meta-llama/Meta-Llama-3-8B", tensor_parallel_degree="max", rolling_batch="auto"),
    ),
    "0.30 docs: trn1": (
        "lmi-0.30",
        "trn1.32xlarge",
        written(
            model_id="meta-llama/Llama-2-70b-hf",
            tensor_parallel_degree=32,
            n_positions=4096,
            max_rolling_batch_size=8,
            on_device_generation="{}",
            **ROLLING,
        ),
    ),
    "0.33: defaults": ("djl-0.33", "inf2.24xlarge", written(model_id="s3://bucket/llama/", tensor_parallel_degree=8)),
    "0.34: no engine": ("djl-0.34", "inf2.8xlarge", "option.model_id=gpt2\noption.tensor_parallel_degree=2\n"),
}


def test_there_are_enough_of_them_and_every_release_has_one(lint_files: Lint) -> None:
    assert len(VALID) >= 30
    assert len({case[0] for case in VALID.values()}) >= 12


@pytest.mark.parametrize("name", VALID)
def test_a_valid_configuration_gives_no_error(name: str, lint_files: Lint) -> None:
    profile, instance, files = VALID[name]
    report = lint_files(files, profile, instance, "model")
    assert [str(f) for f in report.findings if f.severity is Severity.ERROR] == []
