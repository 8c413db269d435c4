"""What the rules' examples share: the first lines of serving.properties, and the smallest model.py of a habit."""

OPT_1_3B = "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-1.3b\n"
OPT_13B = "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n"
OLD_OPT_1_3B = "option.entryPoint=djl_python.transformer-neuronx\noption.model_id=facebook/opt-1.3b\n"  # up to 0.21
OLD_OPT_13B = "option.entryPoint=djl_python.transformer-neuronx\noption.model_id=facebook/opt-13b\n"

_HEAD = """\
from djl_python import Input, Output
from transformers.models.opt import OPTForCausalLM
"""
_EMPTY = """\
    if inputs.is_empty():
        return None
"""

HANDLER = """\
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    return Output().add(inputs.get_as_string())
"""
HANDLER_OF_MODEL_ID = f"""\
{_HEAD}

def handle(inputs: Input):
    properties = inputs.get_properties()
    model = OPTForCausalLM.from_pretrained(properties["model_id"])
{_EMPTY}    return Output().add(str(model))
"""
HANDLER_OF_ONE_MODEL = f"""\
{_HEAD}

def handle(inputs: Input):
    print(inputs.get_properties().get("model_id"))
    model = OPTForCausalLM.from_pretrained("facebook/opt-13b")
{_EMPTY}    return Output().add(str(model))
"""
HANDLER_OF_DTYPE = f"""\
from djl_python import Input, Output
from transformers_neuronx import dtypes


def handle(inputs: Input):
    amp = inputs.get_properties().get("dtype", "f16")
    dtype = dtypes.to_torch_dtype(amp)
{_EMPTY}    return Output().add(str(dtype))
"""
HANDLER_OF_POSITIONS = f"""\
from djl_python import Input, Output


def handle(inputs: Input):
    positions = int(inputs.get_properties().get("n_positions", 2048))
{_EMPTY}    data = inputs.get_as_json()
    return Output().add(str((positions, data["seq_length"], data["text"])))
"""
HANDLER_OF_TEXT = f"""\
from djl_python import Input, Output


def handle(inputs: Input):
{_EMPTY}    data = inputs.get_as_json()
    return Output().add(data["text"])
"""
HANDLER_THAT_STACKS = f"""\
import torch
from djl_python import Input, Output


def handle(inputs: Input):
{_EMPTY}    ids = torch.as_tensor([tokenizer.encode(text) for text in inputs.get_as_json()["text"]])
    return Output().add(str(ids))
"""
HANDLER_THAT_SAMPLES = f"""\
from djl_python import Input, Output


def handle(inputs: Input):
{_EMPTY}    data, ids = inputs.get_as_json(), None
    ids = model.sample(data["text"], sequence_length=64)
    return Output().add(str(ids))
"""
HANDLER_THAT_SPLITS = f"""\
import os
import tempfile

from djl_python import Input, Output


def handle(inputs: Input):
    degree = inputs.get_properties()["tensor_parallel_degree"]
    save_pretrained_split(None, os.path.join(tempfile.gettempdir(), "opt"))
{_EMPTY}    return Output().add(degree)
"""
HANDLER_OF_CHECKPOINT = f"""\
{_HEAD}

def handle(inputs: Input):
    properties = inputs.get_properties()
    checkpoint = OPTForCausalLM.from_pretrained(properties["model_id"])
    save_pretrained_split(checkpoint, properties["model_dir"])
    compiled = OPTForSampling.from_pretrained(
        properties["model_dir"], amp=properties.get("dtype", "f16"), tp_degree=properties["tensor_parallel_degree"])
{_EMPTY}    return Output().add(str(compiled))
"""
