"""The article's two model folders, its docker command and its request, as the files they were: what the linter is for.

Rebuilt from the keys, calls and values of the AWS article of 2023-04-10; comments and prose are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

PROFILE = "seed-0.21"

_BUILT_IN = """\
option.model_id=facebook/opt-1.3b
option.batch_size=2
option.tensor_parallel_degree=2
option.n_positions=256
option.dtype=fp16
option.model_loading_timeout=600
engine=Python
option.entryPoint=djl_python.transformers-neuronx
#option.s3url=s3://djl-llm/opt-1.3b/
"""
_SHORT = """\
engine=Python
option.entryPoint=djl_python.transformers_neuronx
option.task=text-generation
option.model_id=facebook/opt-1.3b
option.tensor_parallel_degree=2
"""
_OWN = """\
option.tensor_parallel_degree=2
option.batch_size=2
option.dtype=f16
engine=Python
"""
_HANDLER = """\
import os
import tempfile

import torch
from djl_python import Input, Output
from transformers import AutoTokenizer
from transformers.models.opt import OPTForCausalLM
from transformers_neuronx import dtypes
from transformers_neuronx.module import save_pretrained_split
from transformers_neuronx.opt.model import OPTForSampling

model = None


def load_model(properties):
    batch_size = int(properties.get("batch_size", 2))
    tp_degree = int(properties.get("tensor_parallel_degree", 2))
    amp = properties.get("dtype", "f16")
    model_id = "facebook/opt-13b"
    load_path = os.path.join(tempfile.gettempdir(), model_id)
    model = OPTForCausalLM.from_pretrained(model_id, low_cpu_mem_usage=True)
    dtype = dtypes.to_torch_dtype(amp)
    for block in model.model.decoder.layers:
        for part in (block.self_attn, block.fc1, block.fc2):
            part.to(dtype)
    model.lm_head.to(dtype)
    save_pretrained_split(model, load_path)
    tokenizer = AutoTokenizer.from_pretrained(model_id)
    model = OPTForSampling.from_pretrained(load_path, batch_size=batch_size, amp=amp, tp_degree=tp_degree)
    model.to_neuron()
    return model, tokenizer, batch_size


def infer(seq_length, prompt):
    with torch.inference_mode():
        input_ids = torch.as_tensor([tokenizer.encode(text) for text in prompt])
        generated = model.sample(input_ids, sequence_length=seq_length)
        return [tokenizer.decode(row) for row in generated]


def handle(inputs: Input):
    global model, tokenizer, batch_size
    if not model:
        model, tokenizer, batch_size = load_model(inputs.get_properties())
    if inputs.is_empty():
        return None
    data = inputs.get_as_json()
    return Output().add_as_json({"outputs": infer(data["seq_length"], data["text"])})
"""
_DEVICES = " ".join(f"--device /dev/neuron{number}" for number in (0, 10, 2, 4, 6, 8, 1, 11))
_RUN = f"""\
docker run -it --rm --network=host \\
    -v `pwd`/models:/opt/ml/model \\
    -v `pwd`/logs:/opt/djl/logs \\
    -u djl {_DEVICES} \\
    -e MODEL_LOADING_TIMEOUT=7200 \\
    -e PREDICT_TIMEOUT=360 \\
    deepjavalibrary/djl-serving:0.21.0-pytorch-inf2 serve
"""
_CALL = """\
curl -X POST http://127.0.0.1:8080/predictions/opt13b \\
    -H 'Content-Type: application/json' \\
    -d '{"seq_length": 2048,
         "text": ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]}'
"""

ARTICLE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "built-in": {"serving.properties": _BUILT_IN, "run.sh": _RUN, "call.sh": _CALL},
        "first example": {"serving.properties": _SHORT},
        "model.py": {"serving.properties": _OWN, "model.py": _HANDLER, "run.sh": _RUN, "call.sh": _CALL},
    }
)
"""The article's folders by route: {route: {file: text}}. All are called opt13b there."""


def write_article(route: str, store: Path | str) -> Path:
    """Write the files of one route (a key of ARTICLE) into `store`/opt13b and return that folder."""
    folder = Path(store) / "opt13b"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ARTICLE[route].items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
