"""Serve a language model through transformers-neuronx. Python 3.8 syntax: that is what the image has."""
import inspect
import shutil
import tempfile

import torch
from djl_python import Input, Output
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers_neuronx import dtypes
from transformers_neuronx.module import save_pretrained_split
from transformers_neuronx.opt.model import OPTForSampling

model = None
tokenizer = None
batch_size = None


def load_model(properties):
    """Return the compiled model, its tokenizer and its batch size, as serving.properties asks."""
    model_id, amp = properties["model_id"], properties.get("dtype", "f16")
    rows, degree = int(properties.get("batch_size", 2)), int(properties.get("tensor_parallel_degree", 2))
    checkpoint = AutoModelForCausalLM.from_pretrained(model_id, torch_dtype="auto", low_cpu_mem_usage=True)
    for part in checkpoint.modules():
        if isinstance(part, torch.nn.Linear):
            part.to(dtypes.to_torch_dtype(amp))
    split = tempfile.mkdtemp(prefix="split-")  # one for each worker: copies must not share a folder
    try:
        save_pretrained_split(checkpoint, split)
        del checkpoint  # else the host holds the weights twice
        compiled = OPTForSampling.from_pretrained(
            split, batch_size=rows, amp=amp, tp_degree=degree, n_positions=int(properties.get("n_positions", 2048)))
        compiled.to_neuron()
    finally:
        shutil.rmtree(split, ignore_errors=True)
    return compiled, AutoTokenizer.from_pretrained(model_id), rows


def infer(seq_length, prompts):
    """Return one text a prompt; `seq_length` counts the tokens of prompt and answer together."""
    rows = [tokenizer.encode(text) for text in prompts]
    ids, start_ids = fill_up(rows, tokenizer.pad_token_id or 0)
    extra = {}
    if any(start_ids):
        if "start_ids" not in inspect.signature(model.sample).parameters:
            lengths = [len(row) for row in rows]
            raise ValueError("the prompts have %s tokens: this version needs equal lengths" % lengths)
        extra["start_ids"] = torch.as_tensor(start_ids)
    with torch.inference_mode():
        generated = model.sample(torch.as_tensor(ids), sequence_length=seq_length, **extra)
    return [tokenizer.decode(row, skip_special_tokens=True) for row in generated]


def handle(inputs: Input):
    """Answer one call of DJLServing: None for the warm-up, else one text a prompt."""
    global model, tokenizer, batch_size
    if model is None:
        model, tokenizer, batch_size = load_model(inputs.get_properties())
    if inputs.is_empty():
        return None
    data = inputs.get_as_json()
    check_prompts(data["text"], batch_size)
    return Output().add_as_json({"outputs": infer(data["seq_length"], data["text"])})


def fill_up(rows, blank):
    """Return the rows, filled up on the left with `blank` to one length, and where each prompt begins."""
    longest = max(len(row) for row in rows)
    start_ids = [longest - len(row) for row in rows]
    return [[blank] * start + row for start, row in zip(start_ids, rows)], start_ids


def check_prompts(prompts, batch_size):
    """Raise ValueError unless `prompts` is a list of `batch_size` texts; a text has a length, too."""
    if not isinstance(prompts, list) or len(prompts) != batch_size:
        found = len(prompts) if isinstance(prompts, list) else type(prompts).__name__
        raise ValueError("`text` must be a list of %d prompts (option.batch_size), not %s" % (batch_size, found))
