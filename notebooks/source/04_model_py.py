# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="nb04-c01"
# # Write your own handler: model.py
#
# | | |
# |---|---|
# | **You will do** | write `model.py` in three functions, serve it, send it good and bad requests |
# | **You will be able to** | bridge DJLServing and transformers-neuronx, and handle prompts of unequal length |
# | **Before you start** | [03 Serve without code](03_serving_properties.ipynb) |
# | **Time** | 30 minutes to read; 1 minute to run in the rehearsal; on the chip a load: 7 to 55 minutes by the planner, nobody has published it |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price |

# %% [markdown] id="nb04-c02"
# The built-in handler decides what a request looks like. With a `model.py` **you** decide. DJLServing starts a
# Python worker in your model folder and calls one function, `handle`. The rest is yours.
#
# This is the article's second route. Its `model.py` is the model for ours; where ours differs, the text says why.

# %% id="nb04-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_id: str = "facebook/opt-13b"
model_name: str = "opt13b"
tensor_parallel_degree: int = 2
batch_size: int = 2
n_positions: int = 2048
dtype: str = "f16"
port: int = 8080

# %% [markdown] id="nb04-c04"
# The parameters are checked first, as always.

# %% id="nb04-c05"
from inf2lab import LabError, ModelFolder, Server, Settings, check, enter_repository, expect_failure

enter_repository()
settings = Settings.from_notebook(globals())
folder = ModelFolder.named(settings.model_name)
folder.path.mkdir(parents=True, exist_ok=True)
degree, rows = settings.tensor_parallel_degree, settings.batch_size
print(f"{settings.lane} lane, {settings.model_id}, degree {degree}, batch {rows}")

# %% [markdown] id="nb04-c06"
# ## Part 1: what the handler needs
#
# `djl_python` comes with the worker, `transformers_neuronx` with the image. In the rehearsal the second one is an
# emulation with the same names. The file cannot tell.
#
# `%%writefile` starts the file anew; `{settings.model_name}` stands for the parameter. The cells after it **append** to
# the file, so run them in order.

# %% id="nb04-c07"
# %%writefile models/{settings.model_name}/model.py
# """Serve a language model through transformers-neuronx. Python 3.8 syntax: that is what the image has."""
# import importlib
# import inspect
# import shutil
# import tempfile
#
# import torch
# from djl_python import Input, Output
# from transformers import AutoModelForCausalLM, AutoTokenizer
# from transformers_neuronx import dtypes
# from transformers_neuronx.module import save_pretrained_split
#
# CLASSES = {"opt": "OPTForSampling", "llama": "LlamaForSampling"}  # the library has one for each family
#
# model = None
# tokenizer = None
# batch_size = None

# %% [markdown] id="nb04-c08"
# ## Part 2: load the model
#
# `properties` holds the options of `serving.properties`, as text. The steps are the library's own order:
# read the checkpoint, cast the big matrices, write them **split** (one file a tensor), read them back tensor by
# tensor onto the cores. The class comes from the model's family: for OPT, `transformers_neuronx.opt.model`.
#
# `torch_dtype="auto"` reads the numbers as the file has them, in 16 bits. Without it transformers makes 32 of them:
# OPT-13B then takes 59 GiB of the host instead of 35, and a pod of 54 GiB is killed. Nothing is computed here, so the
# processor needs no 16-bit arithmetic; the library turns the norms and embeddings back into 32 bits.

# %% id="nb04-c09"
# %%writefile -a models/{settings.model_name}/model.py
#
#
# def load_model(properties):
#     """Return the compiled model, its tokenizer and its batch size, as serving.properties asks."""
#     rows, amp = int(properties.get("batch_size", 2)), properties.get("dtype", "f16")
#     checkpoint = AutoModelForCausalLM.from_pretrained(
#         properties["model_id"], torch_dtype="auto", low_cpu_mem_usage=True)
#     for part in checkpoint.modules():
#         if isinstance(part, torch.nn.Linear):
#             part.to(dtypes.to_torch_dtype(amp))
#     family = checkpoint.config.model_type
#     for_sampling = getattr(importlib.import_module("transformers_neuronx.%s.model" % family), CLASSES[family])
#     split = tempfile.mkdtemp(prefix="split-")  # one for each worker: copies must not share a folder
#     try:
#         save_pretrained_split(checkpoint, split)
#         del checkpoint  # else the host holds the weights twice
#         degree = int(properties.get("tensor_parallel_degree", 2))
#         positions = int(properties.get("n_positions", 2048))
#         compiled = for_sampling.from_pretrained(
#             split, batch_size=rows, amp=amp, tp_degree=degree, n_positions=positions)
#         compiled.to_neuron()
#     finally:
#         shutil.rmtree(split, ignore_errors=True)
#     return compiled, AutoTokenizer.from_pretrained(properties["model_id"]), rows

# %% [markdown] id="nb04-c10"
# Five things differ from the article:
#
# - The checkpoint is read in its own format. The article's code reads it in 32 bits.
# - The model's name comes from the file. The article's code ignores the file and always loads OPT-13B.
# - `n_positions` comes from the file too. The article never passes it on.
# - The split checkpoint has a folder of its own, and is removed. In the article all workers write to one place.
# - The family chooses the class. The article's code knows OPT only; this one serves a Llama as well.
#
# ## Part 3: turn prompts into text
#
# The article stacks the token lists of all prompts. That fails as soon as two lengths differ. Shorter prompts
# must be filled up **on the left**, and the model must be told where each one begins: `start_ids`. The article's
# generation of the library has no `start_ids`. There the honest answer is an error that names the lengths.

# %% id="nb04-c11"
# %%writefile -a models/{settings.model_name}/model.py
#
#
# def infer(seq_length, prompts):
#     """Return one text a prompt; `seq_length` counts the tokens of prompt and answer together."""
#     rows = [tokenizer.encode(text) for text in prompts]
#     lengths = [len(row) for row in rows]
#     padding = [max(lengths) - length for length in lengths]
#     extra = {}
#     if any(padding):
#         if "start_ids" not in inspect.signature(model.sample).parameters:
#             raise ValueError("the prompts have %s tokens: this version needs equal lengths" % lengths)
#         extra["start_ids"] = torch.as_tensor(padding)
#     blank = tokenizer.pad_token_id or 0  # the model never looks at it
#     ids = [[blank] * pad + row for pad, row in zip(padding, rows)]
#     with torch.inference_mode():
#         generated = model.sample(torch.as_tensor(ids), sequence_length=seq_length, **extra)
#     return [tokenizer.decode(row, skip_special_tokens=True) for row in generated]

# %% [markdown] id="nb04-c12"
# ## Part 4: answer a call
#
# Before the port opens, the server calls `handle` once with nothing. That call loads the model, and it must be
# answered with `None`. Every later call carries a request.

# %% id="nb04-c13"
# %%writefile -a models/{settings.model_name}/model.py
#
#
# def handle(inputs: Input):
#     """Answer one call of DJLServing: None for the warm-up, else one text a prompt."""
#     global model, tokenizer, batch_size
#     if model is None:
#         model, tokenizer, batch_size = load_model(inputs.get_properties())
#     if inputs.is_empty():
#         return None
#     data = inputs.get_as_json()
#     prompts = data["text"]
#     if not isinstance(prompts, list) or len(prompts) != batch_size:
#         found = len(prompts) if isinstance(prompts, list) else type(prompts).__name__
#         raise ValueError("`text` must be a list of %d prompts (option.batch_size), not %s" % (batch_size, found))
#     return Output().add_as_json({"outputs": infer(data["seq_length"], prompts)})

# %% [markdown] id="nb04-c14"
# `data["seq_length"]` raises a `KeyError` when a request lacks it, as in the article. You will see what the client
# gets then.
#
# The image runs Python 3.8. Check the syntax here, not after a load.

# %% id="nb04-c15"
import ast

tree = ast.parse(folder.handler_path.read_text(), feature_version=(3, 8))
functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
print("functions:", ", ".join(functions))

# %% [markdown] id="nb04-c16"
# ## The file beside it
#
# There is still a `serving.properties`. With a `model.py` in the folder no entry point is needed. Note the
# `dtype`: this code hands it to the library, so it is `f16` now.

# %% id="nb04-c17"
# %%writefile models/{settings.model_name}/serving.properties
# engine=Python
# option.model_id=facebook/opt-13b
# option.tensor_parallel_degree=2
# option.batch_size=2
# option.n_positions=2048
# option.dtype=f16
# option.model_loading_timeout=7200

# %% [markdown] id="nb04-c18"
# Put your parameters in, then read the file back.

# %% id="nb04-c19"
from inf2lab import read_properties, write_properties

mine = {
    "option.model_id": settings.model_id,
    "option.tensor_parallel_degree": settings.tensor_parallel_degree,
    "option.batch_size": settings.batch_size,
    "option.n_positions": settings.n_positions,
    "option.dtype": settings.dtype,
}
write_properties(folder.properties_path, read_properties(folder.properties_path) | mine)
print(folder.properties_path.read_text())

# %% [markdown] id="nb04-c20"
# ## Serve it
#
# **Predict, then run.** Nothing has sent a request yet. Will the model already be loaded when the port opens?

# %% id="nb04-c21"
server = Server.start(settings, folder.path)

# %% [markdown] id="nb04-c22"
# It is: *model loaded* comes before *port open*. That was the empty call.
#
# Now the article's body: `seq_length` and `text`. A short length first.

# %% id="nb04-c23" tags=["nbval-ignore-output"]
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
prompts = (prompts * settings.batch_size)[: settings.batch_size]
texts = server.endpoint.generate(prompts, seq_length=64)
print(*texts, sep="\n\n")

# %% [markdown] id="nb04-c24"
# **Predict, then run.** How many tokens has each text, if `seq_length` is 64 and a prompt has 9?

# %% id="nb04-c25" tags=["nbval-ignore-output"]
from inf2lab.measure import tokens_of

tokens = tokens_of(settings.model_id, settings.lane)
print(
    "tokens:", tokens.count(texts) if tokens else "not counted: the model's tokenizer is not on this machine"
)

# %% [markdown] id="nb04-c26"
# About 64, prompt included; text that is cut into tokens again can differ by a few. The library never draws the
# end-of-text token for OPT. So every answer has full length, and the article's model is "chatty" by construction.
# (Counted with the tokenizer of the model that spoke, without the token that begins every text.)
#
# ## Prompts of unequal length

# %% id="nb04-c27"
uneven = (["Describes the status of the volume.", "Deletes"] * settings.batch_size)[: settings.batch_size]
padded = server.endpoint.send({"seq_length": 48, "text": uneven})
texts = padded.json()["outputs"] if padded.ok else []
print(padded.status, padded.error)
print("prompts kept:", [text.startswith(prompt) for text, prompt in zip(texts, uneven, strict=False)])

# %% [markdown] id="nb04-c28"
# It works, because this generation has `start_ids`. Serve the **same folder** under the article's generation, and
# send the same prompts. Your own server runs on: on the chip a second load would cost minutes. A NeuronCore belongs to
# one process, so the server beside it gets the next port **and** the next Neuron device.

# %% id="nb04-c29"
import dataclasses

if settings.lane == "rehearsal" and settings.batch_size > 1 and settings.model.architecture == "opt":
    beside = dataclasses.replace(settings.beside(), profile="seed-0.21")
    older = Server.start(beside, folder.path, report=lambda line: None)
    refused = older.endpoint.send({"seq_length": 48, "text": uneven})
    print(refused.status, refused.text)
    older.stop()

# %% [markdown] id="nb04-c30"
# The error reached the client, with the lengths in it. The article's code would have stopped inside PyTorch with
# a message about tensors.
#
# ## Two bad requests
#
# Back to your own server. First a body without `seq_length`, then one prompt where the batch has another size.

# %% id="nb04-c31"
for body in ({"text": prompts}, {"seq_length": 48, "text": [*prompts, "one more"]}):
    answer = server.endpoint.send(body)
    print(answer.status, answer.reason)
    print(answer.text)

# %% [markdown] id="nb04-c32"
# Look at the first error: it is only `'seq_length'`, quotes included. That is Python's text of a `KeyError`. You
# will meet it in every log; now you know what it means.
#
# ## A load failure
#
# `fp16` is the built-in handler's word. Here it reaches the library, which knows `f16` only. Where you are, this runs in
# the rehearsal: on the chip it would fail only after the checkpoint was fetched and read.

# %% id="nb04-c33"
broken = ModelFolder.named("opt13b_broken")
broken.path.mkdir(exist_ok=True)
broken.handler_path.write_bytes(folder.handler_path.read_bytes())
write_properties(broken.properties_path, folder.properties() | {"option.dtype": "fp16"})
rehearsed = dataclasses.replace(settings, lane="rehearsal", profile="djl-0.25").beside()
with expect_failure(LabError, about="KeyError: 'fp16'"):
    Server.start(rehearsed, broken.path, report=lambda line: None)

# %% [markdown] id="nb04-c34"
# The same `KeyError` stops the real container. Remove the broken folder and make sure that nothing runs.

# %% id="nb04-c35"
import shutil

Server.of(rehearsed, broken.path).stop()
shutil.rmtree(broken.path)
server.stop()
print("running:", server.exists())

# %% [markdown] id="nb04-c36"
# ## Check yourself

# %% id="nb04-c37" tags=["check"]
check(
    "model.py has its three functions, each once",
    functions == ["load_model", "infer", "handle"],
    hint="run all cells from Part 1 on, in order",
)
check(
    "the dtype is the library's word",
    folder.option("dtype") in ("f32", "f16", "bf16"),
    hint="f16, not fp16, beside a model.py",
)
check(
    "uneven prompts were padded, or refused by name",
    padded.ok or "tokens" in padded.error,
    hint="inf2lab logs",
)
check("nothing is left running", not server.exists(), hint="server.stop()")

# %% [markdown] id="nb04-c38"
# **What you have now:** `models/opt13b` with `serving.properties` and `model.py`, ready for both lanes.
#
# **Try it:** accept fewer prompts than the batch has rows. Fill the batch with empty prompts, and cut the answer
# back. The built-in handler does it like that.
#
# **Exercise:** [fewer prompts than rows](exercises/04_model_py.ipynb)
#
# Next: [05 Start the server](05_serve.ipynb)
