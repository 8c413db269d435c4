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
# | **You will do** | write `model.py`, two of its functions from an empty cell, serve it, send it good and bad requests |
# | **You will be able to** | connect DJLServing with transformers-neuronx, and handle prompts of unequal length |
# | **Before you start** | [03 Serve without code](03_serving_properties.ipynb): the same model with the built-in handler |
# | **Time** | 30 minutes to read; 1 minute to run in the rehearsal; on the chip a load: 7 to 55 minutes by the planner, nobody has published it |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price |

# %% [markdown] id="nb04-c02"
# The built-in handler decides what a request looks like. With a `model.py` **you** decide. DJLServing starts a Python
# worker in your model folder, and the worker calls one function: `handle`.
#
# This is the article's second route. Our file follows the article's `model.py`.

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
# The parameters are checked first.

# %% id="nb04-c05"
from inf2lab import LabError, ModelFolder, Server, Settings, check, enter_repository, expect_failure, reveal

enter_repository()
settings = Settings.from_notebook(globals())
folder = ModelFolder.named(settings.model_name)
folder.path.mkdir(parents=True, exist_ok=True)
degree, rows = settings.tensor_parallel_degree, settings.batch_size
print(f"{settings.lane} lane, {settings.model_id}, degree {degree}, batch {rows}")

# %% [markdown] id="nb04-c06"
# ## Part 1: what the handler needs
#
# `djl_python` comes with the worker, `transformers_neuronx` with the image. In the rehearsal an emulation with the same
# names takes its place.
#
# `%%writefile` starts the file anew. The cells after it **append** to it: run them in order.

# %% id="nb04-c07"
# %%writefile models/{settings.model_name}/model.py
# """Serve a language model through transformers-neuronx. Python 3.8 syntax: that is what the image has."""
# import inspect
# import shutil
# import tempfile
#
# import torch
# from djl_python import Input, Output
# from transformers import AutoModelForCausalLM, AutoTokenizer
# from transformers_neuronx import dtypes
# from transformers_neuronx.module import save_pretrained_split
# from transformers_neuronx.opt.model import OPTForSampling
#
# model = None
# tokenizer = None
# batch_size = None

# %% [markdown] id="nb04-c08"
# ## Part 2: load the model
#
# `properties` holds the options of `serving.properties`, as text. The steps come in the order that the library wants:
#
# | step | why |
# |---|---|
# | read with `torch_dtype="auto"` | the numbers stay in 16 bits. Else transformers makes 32 bits of each, and OPT-13B takes 59 GiB of the host, not 35 |
# | cast only the `Linear` parts | the cores multiply these big matrices in `dtype` (OPT-13B's are in 16 bits already). The library computes norms and embeddings in 32 bits |
# | write it **split**, one file a tensor | the library reads one layer at a time, cuts it, and puts it on the cores: the host holds no second model |
# | `to_neuron()` | it copies the weights and compiles programs for exactly this degree, batch and length. Unlike CUDA graphs: without them nothing runs |
# | load at the warm-up call (Part 4) | the port opens after it, so no user waits for the load |
#
# **If you know vLLM:** `tensor_parallel_degree` is `--tensor-parallel-size`, and `n_positions` is `--max-model-len`. But
# `batch_size` is not `--max-num-seqs`: each request of this handler must fill the batch. And the cache is not paged: each row
# has memory for all positions from the start.

# %% id="nb04-c09"
# %%writefile -a models/{settings.model_name}/model.py
#
#
# def load_model(properties):
#     """Return the compiled model, its tokenizer and its batch size, as serving.properties asks."""
#     model_id, amp = properties["model_id"], properties.get("dtype", "f16")
#     rows, degree = int(properties.get("batch_size", 2)), int(properties.get("tensor_parallel_degree", 2))
#     checkpoint = AutoModelForCausalLM.from_pretrained(model_id, torch_dtype="auto", low_cpu_mem_usage=True)
#     for part in checkpoint.modules():
#         if isinstance(part, torch.nn.Linear):
#             part.to(dtypes.to_torch_dtype(amp))
#     split = tempfile.mkdtemp(prefix="split-")  # one for each worker: copies must not share a folder
#     try:
#         save_pretrained_split(checkpoint, split)
#         del checkpoint  # else the host holds the weights twice
#         compiled = OPTForSampling.from_pretrained(
#             split, batch_size=rows, amp=amp, tp_degree=degree, n_positions=int(properties.get("n_positions", 2048)))
#         compiled.to_neuron()
#     finally:
#         shutil.rmtree(split, ignore_errors=True)
#     return compiled, AutoTokenizer.from_pretrained(model_id), rows

# %% [markdown] id="nb04-c10"
# The article's code reads in 32 bits, always loads OPT-13B, never passes `n_positions` on, and lets all workers write the
# split model to one place.
#
# ## Part 3: you write the padding
#
# A batch is one tensor, so all rows need one length. The article's code fails when two lengths differ. Shorter prompts are
# filled up **on the left**, because the model continues a row after its last token. `start_ids` tells the model where
# each prompt begins.
#
# ![Two rows of tokens. Correct: the short prompt of two tokens has four blanks before it, its start_ids is 4, and the new tokens of both rows begin in one column. Wrong: the blanks stand behind the short prompt, and its new tokens come after the blanks.](../docs/pictures/padding.svg)

# %% [markdown] id="nb04-c11"
# **Your turn.** Write two functions in place of the `...`:
#
# - `fill_up(rows, blank)` gets lists of token ids. It returns two lists: the rows, all as long as the longest, and the
#   number of blanks before each.
# - `check_prompts(prompts, batch_size)` raises a `ValueError` unless `prompts` is a list of `batch_size` texts: the model
#   is compiled for that many.
#
# Leave them empty, and a worked solution is served.


# %% id="nb04-c12"
def fill_up(rows, blank):
    """Return the rows, all of one length, and where each prompt begins: [[5, 6], [0, 7]], [0, 1]."""
    ...


def check_prompts(prompts, batch_size):
    """Raise ValueError unless `prompts` is a list of `batch_size` texts."""
    ...


# %% [markdown] id="nb04-c13"
# `infer` uses the first one. The article's version of the library has no `start_ids`: there, an error names the lengths.

# %% id="nb04-c14"
# %%writefile -a models/{settings.model_name}/model.py
#
#
# def infer(seq_length, prompts):
#     """Return one text a prompt; `seq_length` counts the tokens of prompt and answer together."""
#     rows = [tokenizer.encode(text) for text in prompts]
#     ids, start_ids = fill_up(rows, tokenizer.pad_token_id or 0)
#     extra = {}
#     if any(start_ids):
#         if "start_ids" not in inspect.signature(model.sample).parameters:
#             lengths = [len(row) for row in rows]
#             raise ValueError("the prompts have %s tokens: this version needs equal lengths" % lengths)
#         extra["start_ids"] = torch.as_tensor(start_ids)
#     with torch.inference_mode():
#         generated = model.sample(torch.as_tensor(ids), sequence_length=seq_length, **extra)
#     return [tokenizer.decode(row, skip_special_tokens=True) for row in generated]

# %% [markdown] id="nb04-c15"
# ## Part 4: answer a call
#
# Before the port opens, the server calls `handle` once with nothing. This is the warm-up: it loads the model, and `None` is
# its answer. Every later call carries a request.

# %% id="nb04-c16"
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
#     check_prompts(data["text"], batch_size)
#     return Output().add_as_json({"outputs": infer(data["seq_length"], data["text"])})

# %% [markdown] id="nb04-c17"
# The file still needs the two functions. This is the worked solution. Compare it with yours.

# %% id="nb04-c18"
# %%writefile -a models/{settings.model_name}/model.py
#
#
# def fill_up(rows, blank):
#     """Return the rows, filled up on the left with `blank` to one length, and where each prompt begins."""
#     longest = max(len(row) for row in rows)
#     start_ids = [longest - len(row) for row in rows]
#     return [[blank] * start + row for start, row in zip(start_ids, rows)], start_ids
#
#
# def check_prompts(prompts, batch_size):
#     """Raise ValueError unless `prompts` is a list of `batch_size` texts; a text has a length, too."""
#     if not isinstance(prompts, list) or len(prompts) != batch_size:
#         found = len(prompts) if isinstance(prompts, list) else type(prompts).__name__
#         raise ValueError("`text` must be a list of %d prompts (option.batch_size), not %s" % (batch_size, found))

# %% [markdown] id="nb04-c19"
# What you wrote above takes its place. The image runs Python 3.8: check the syntax here, not after a load.

# %% id="nb04-c20"
import ast

from inf2lab.written import put_in

for name, whose in put_in(folder.handler_path, fill_up, check_prompts).items():
    print(f"{name}: {whose}")
tree = ast.parse(folder.handler_path.read_text(), feature_version=(3, 8))
functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]

# %% [markdown] id="nb04-c21"
# Try the file before any load. `try_handler` runs it with a model that only writes down what it is given. Its tokenizer
# makes one token a word, and one more (number 2) at the beginning, as OPT's does.
#
# **Predict.** The prompts are *one two three* and *four*. Which `start_ids` does the library get?

# %% id="nb04-c22" tags=["predict"]
answer = ...  # a list of two numbers

# %% id="nb04-c23"
from inf2lab.trial import try_handler

trial = try_handler(folder.handler_path, ["one two three", "four"], batch_size=2)
starts = trial.start_ids or ["none"] * len(trial.rows)
written_down = "\n".join(f"start_ids {start}: {row}" for start, row in zip(starts, trial.rows, strict=False))
reveal(
    answer,
    [0, 2],
    written_down or trial.error,
    why="Four tokens and two: two blanks stand before the second prompt.",
)

# %% [markdown] id="nb04-c24"
# ## Part 5: the file beside it
#
# With a `model.py` in the folder no entry point is needed. `dtype` is `f16` now: your code hands it to the library, and
# that is the library's word.

# %% id="nb04-c25"
# %%writefile models/{settings.model_name}/serving.properties
# engine=Python
# option.model_id=facebook/opt-13b
# option.tensor_parallel_degree=2
# option.batch_size=2
# option.n_positions=2048
# option.dtype=f16
# option.model_loading_timeout=7200

# %% [markdown] id="nb04-c26"
# The next cell writes your parameters into the file and reads it. A Llama needs its own class: two words of `model.py` change.

# %% id="nb04-c27"
from inf2lab import read_properties, write_properties

names = ("model_id", "tensor_parallel_degree", "batch_size", "n_positions", "dtype")
mine = {f"option.{name}": getattr(settings, name) for name in names}
write_properties(folder.properties_path, read_properties(folder.properties_path) | mine)
if settings.model.architecture == "llama":
    text = folder.handler_path.read_text().replace("opt.model", "llama.model")
    folder.handler_path.write_text(text.replace("OPTForSampling", "LlamaForSampling"))
print(folder.properties_path.read_text())

# %% [markdown] id="nb04-c28"
# ## Serve it
#
# Watch the order of *model loaded* and *port open*. Nobody has sent a request yet.

# %% id="nb04-c29"
server = Server.start(settings, folder.path)

# %% [markdown] id="nb04-c30"
# The warm-up call loaded the model.
#
# Now the article's body: `seq_length` and `text`. In the rehearsal a model of 7 million parameters writes the text. Do not
# judge its words.
#
# **Predict.** `seq_length` is 64, and each prompt has about 9 tokens. How many tokens has each text?

# %% id="nb04-c31" tags=["predict"]
answer = ...  # a number

# %% id="nb04-c32" tags=["nbval-ignore-output"]
from inf2lab.measure import tokens_of

prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
prompts = (prompts * settings.batch_size)[: settings.batch_size]
texts = server.endpoint.generate(prompts, seq_length=64)
tokens = tokens_of(settings.model_id, settings.lane)
counted = f"counted again: {tokens.count(texts)}" if tokens else "not counted: its tokenizer is not here"
reveal(answer, 64, counted, *texts, why="seq_length counts the prompt, too.", within=0.05)

# %% [markdown] id="nb04-c33"
# (A text that is cut into tokens again can differ by a few.) Every answer has full length: the library never draws OPT's
# end-of-text token.
#
# ## Prompts of unequal length
#
# This is where your padding works, on the server.

# %% id="nb04-c34"
uneven = (["Describes the status of the volume.", "Deletes"] * settings.batch_size)[: settings.batch_size]
padded = server.endpoint.send({"seq_length": 48, "text": uneven})
texts = padded.json()["outputs"] if padded.ok else []
print(padded.status, padded.error)
print("prompts kept:", [text.startswith(prompt) for text, prompt in zip(texts, uneven, strict=False)])

# %% [markdown] id="nb04-c35"
# Now serve the **same folder** with the article's version. Your own server keeps running: on the chip, a second load would cost
# minutes. A NeuronCore belongs to one process, so the second server gets the next port **and** the next device.

# %% id="nb04-c36"
import dataclasses

from inf2lab.errors import SettingsError

if settings.lane == "rehearsal" and settings.batch_size > 1 and settings.model.architecture == "opt":
    try:
        beside = dataclasses.replace(settings.beside(), profile="seed-0.21")
    except SettingsError as error:
        print("not tried:", error)
    else:
        older = Server.start(beside, folder.path, report=lambda line: None)
        refused = older.endpoint.send({"seq_length": 48, "text": uneven})
        print(refused.status, refused.text)
        older.stop()

# %% [markdown] id="nb04-c37"
# The error reached the client, with the lengths in it.
#
# ## Two bad requests
#
# Back to your own server. The first body has no `seq_length`, the second one prompt too many.
#
# **Predict.** Which HTTP status do both get?

# %% id="nb04-c38" tags=["predict"]
answer = ...  # a number of three digits

# %% id="nb04-c39"
bad = [
    server.endpoint.send(body) for body in ({"text": prompts}, {"seq_length": 48, "text": [*prompts, "more"]})
]
statuses = {one.status for one in bad}
reveal(answer, statuses.pop(), *(one.text for one in bad), why="424 means that the handler raised an error.")

# %% [markdown] id="nb04-c40"
# The first error is only `'seq_length'`, quotes included. That is Python's text of a `KeyError`. You will meet it in logs
# again.
#
# ## You may stop here
#
# The short path goes on with [05 Start the server](05_serve.ipynb). Or stay: one load fails, and the check follows.
#
# ## A load failure
#
# `fp16` is the built-in handler's word. Here it reaches the library, which knows only `f16`. This runs in the rehearsal in
# both lanes: on the chip it would fail only after the checkpoint was read.

# %% id="nb04-c41"
broken = ModelFolder.named("opt13b_broken")
broken.path.mkdir(exist_ok=True)
broken.handler_path.write_bytes(folder.handler_path.read_bytes())
write_properties(broken.properties_path, folder.properties() | {"option.dtype": "fp16"})
rehearsed = dataclasses.replace(settings, lane="rehearsal", profile="djl-0.25").beside()
with expect_failure(LabError, about="KeyError: 'fp16'"):
    Server.start(rehearsed, broken.path, report=lambda line: None)

# %% [markdown] id="nb04-c42"
# The same `KeyError` stops the real container. Remove the broken folder, and stop the server.

# %% id="nb04-c43"
import shutil

Server.of(rehearsed, broken.path).stop()
shutil.rmtree(broken.path)
server.stop()
print("running:", server.exists())

# %% [markdown] id="nb04-c44"
# ## Check yourself
#
# The checks try the file as it is on the disk now.

# %% id="nb04-c45" tags=["check"]
trial = try_handler(folder.handler_path, ["one two three", "four"], batch_size=2)
three = try_handler(folder.handler_path, ["one", "two", "three"], batch_size=2)
text = try_handler(folder.handler_path, "ab", batch_size=2)
hint = "look at the picture in Part 3, and run all cells from Part 1 on"
shortest = list(trial.rows[-1]) if trial.asked else []
check(
    "each function is there once",
    sorted(functions) == sorted(set(functions)) and len(functions) == 5,
    hint=hint,
)
check(
    "the dtype is the library's word", folder.option("dtype") in ("f32", "f16", "bf16"), hint="f16, not fp16"
)
check("a shorter prompt is filled up on the left", len(shortest) == 4 and shortest[2:] == [2, 104], hint=hint)
check("the library knows where each prompt begins", list(trial.start_ids or []) == [0, 2], hint=hint)
check("three prompts are refused for two rows", bool(three.error) and not three.asked, hint="check_prompts")
check("a text of two letters is no list", bool(text.error) and not text.asked, hint="look at its type, too")
check(
    "uneven prompts were answered, or refused by name",
    padded.ok or "tokens" in padded.error,
    hint="inf2lab logs",
)
check("nothing is left running", not server.exists(), hint="server.stop()")

# %% [markdown] id="nb04-c46"
# **What you have now:** `models/opt13b` with `serving.properties` and `model.py`, ready for both lanes.
#
# **On the chip:** the same cells with `lane = "inf2"`: one load. The two other servers stay in the rehearsal.
#
# **Try it:** put the blanks on the **right** in your `fill_up`, run all cells from Part 1 on, and look at *Prompts of
# unequal length*.
#
# <details><summary>Answer</summary>
#
# The server says 200, but the short prompt's text is not its continuation: the model continued after the blanks. Only the
# checks at the end fail.
#
# </details>
#
# **Exercise:** [fewer prompts than rows](exercises/04_model_py.ipynb)
#
# **Further reading:** [DJLServing's Python engine](https://docs.djl.ai/master/docs/serving/serving/docs/modes.html) ·
# [transformers-neuronx, source](https://github.com/aws-neuron/transformers-neuronx) ·
# [OPT, the paper](https://arxiv.org/abs/2205.01068)
#
# Next: [05 Start the server](05_serve.ipynb)
