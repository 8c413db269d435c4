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

# %% [markdown] id="nb10-c01"
# # Where next: the same folder on what came after
#
# | | |
# |---|---|
# | **You will do** | take the folder of notebook 04 to its successors, key by key, and compare old answers with new ones |
# | **You will be able to** | say what of a folder survives, what a request becomes, and which models can still be served on Neuron |
# | **Before you start** | [04 model.py](04_model_py.ipynb) wrote the folder, and [09 Scale out](09_scale_out.ipynb) came before; nothing has to run |
# | **Time** | 20 minutes to read; seconds to run, two minutes with the real vLLM |
# | **Cost** | nothing in either lane |

# %% [markdown] id="nb10-c02"
# The stack of this tutorial has **ended**. transformers-neuronx gets no more releases, and DJLServing has removed its
# Neuron code. Folders like yours still run, on images that stay as they are. One day somebody must move them.
#
# What you learned stays true: degrees, heads, memory, warm-up, time-outs. What changes is how it is written down. This
# notebook shows the change key by key, and then **runs both sides**.

# %% id="nb10-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
comparison: str = "auto"

# %% [markdown] id="nb10-c04"
# `comparison` is for the section with both sides. `"live"` starts the real vLLM on this machine's processor; `make
# migrate-env` installs it (Linux, up to 8 GB). `"recorded"` shows a run of another day. `"auto"` is live where vLLM is
# installed. Here is your folder, as it was served in 05:

# %% id="nb10-c05"
import datetime

from inf2lab import ModelFolder, Settings, catalog, check, enter_repository, migrate, pictures, reveal

enter_repository()
settings = Settings.from_notebook(globals(), also=["comparison"])
folder = ModelFolder.named(model_name).check()
for key, value in folder.properties().items():
    print(f"{key}={value}")

# %% [markdown] id="nb10-c06"
# ## What has ended, and when

# %% id="nb10-c07"
events = [(datetime.date.fromisoformat(one.date), one.what) for one in catalog.stack_history()]
pictures.timeline(events)

# %% [markdown] id="nb10-c08"
# The article is of April 2023. AWS's images carried its library until September 2025. The lines from May 2026 on say
# that the first successor, NxD Inference, is ending too. So ask of each answer below *until when* it holds. Every date
# has its source in the catalog.
#
# ## Four ways on
#
# Each target is one server in one image. The last column has the families of instances that it runs on.

# %% id="nb10-c09"
for name, target in catalog.successors().items():
    print(f"{name:12} {target.title:32} {', '.join(target.families)}")

# %% [markdown] id="nb10-c10"
# Only the first two run on Inf2. `vllm-neuron` needs Trn2 or later, `lmi-vllm` a GPU.
#
# ## Which keys survive?
#
# Your folder goes to `vllm-nxdi`: vLLM with NxD Inference below it. The request of your client belongs to the folder, so
# both are handed over.
#
# **Predict.** Of the keys `model_id`, `tensor_parallel_degree`, `batch_size` and `n_positions`: which ones only get
# another name, and keep their meaning?

# %% id="nb10-c11" tags=["predict"]
answer = ...  # a set of keys, for example {"batch_size"}

# %% id="nb10-c12"
import json

from inf2lab import paths
from inf2lab.checks import wrap

place = paths.logs() / "migrate"
place.mkdir(exist_ok=True)
request = place / "ask.json"
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
request.write_text(json.dumps({"seq_length": 48, "text": prompts}) + "\n")

made = migrate(folder.path, to="vllm-nxdi", files=[request], settings=settings)
asked = ("model_id", "tensor_parallel_degree", "batch_size", "n_positions")
rows = made.sections["what the folder says"]
said = {row.what.partition("=")[0].removeprefix("option."): row for row in rows}
verdicts = [wrap(f"{name}: {said[name].verdict.said}. {said[name].says}") for name in asked]
reveal(answer, {name for name in asked if said[name].verdict.said == "renamed"}, "\n".join(verdicts))

# %% [markdown] id="nb10-c13"
# Two keys have a new name, and that hides a new meaning:
#
# - `tensor_parallel_degree`: DJLServing started as many copies as the cores hold. vLLM is **one** copy. More copies are
#   more servers. (`--data-parallel-size` is in none of AWS's guides to this server.)
# - `batch_size`: the batch was a number that every request had to fill. Now it is the most that run at once.
#
# Here are all of them:

# %% id="nb10-c14"
import textwrap

for row in rows:
    line = f"{row.verdict.said:16} {row.what} -> {row.becomes or '(nothing)'}"
    print(textwrap.fill(line, 100, subsequent_indent=" " * 17))

# %% [markdown] id="nb10-c15"
# `model.py` does not move. What it did to a request is now the client's task, or that of a middleware.
#
# ## The model decides first
#
# Keys are easy. The model is harder.
#
# **Predict.** Does the successor serve OPT?

# %% id="nb10-c16" tags=["predict"]
answer = ...  # True or False

# %% id="nb10-c17"
models = made.sections["the model"]
reasons = [wrap(f"{row.verdict.said}: {row.what}. {row.says}") for row in models]
nearest = [wrap(f"nearest: {one}") for one in made.nearest]
reveal(answer, not any(row.verdict.lost for row in models), "\n".join(reasons), "\n".join(nearest))

# %% [markdown] id="nb10-c18"
# OPT, GPT-2, GPT-J, GPT-NeoX and BLOOM have no successor on Neuron. Take another model of the size, or a GPU. The answer
# above names the nearest models, each with the smallest degree and the cheapest instance that hold it. (The rule is NxD
# Inference's own, and counts only the chips' memory. The host of an inf2.xlarge has 16 GiB, too little for 26 GB of
# weights: take an inf2.8xlarge.)
#
# The same question for models that people serve today, to each target:

# %% id="nb10-c19"
from inf2lab.migrate import lines

names = ["meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-8B", "facebook/opt-13b"]
print(f"{'':34}", *(f"{to:15}" for to in catalog.successors()))
other = ModelFolder(place / "other")
other.path.mkdir(exist_ok=True)
for name in names:
    text = (
        f"engine=Python\noption.model_id={name}\noption.tensor_parallel_degree=8\noption.n_positions=2048\n"
    )
    other.properties_path.write_text(text)
    told = [migrate(other.path, to=to).sections["the model"][0].verdict.said for to in catalog.successors()]
    print(f"{name:34}", *(f"{verdict:15}" for verdict in told))

# %% [markdown] id="nb10-c20"
# Here *Meaning changes* means that nobody knows. Tables and reports of users do not always agree. This is what both say of
# Qwen3-8B:

# %% id="nb10-c21"
other.properties_path.write_text(text.replace("facebook/opt-13b", "Qwen/Qwen3-8B"))
found = migrate(other.path, to="vllm-nxdi")
print("\n".join(wrap(line) for line in lines(found.sections["the model"])))
print("\n".join(wrap(line) for line in lines(found.sections["the target's rules"])))

# %% [markdown] id="nb10-c22"
# AWS's table lists Qwen 3. A user who tried this model on this image met a compiler error. The report counts more: it is
# about the very thing that you would do. The weights are 32.8 GB, not 16, because this folder names no `dtype`, and the
# default of DJLServing 0.25 is 32 bits.
#
# ## What starts it
#
# Back to your folder. You must now say some things that you did not say before: the port, the devices, a folder for the
# compiled programs.

# %% id="nb10-c23"
print(made.files()["command.sh"].strip())

# %% [markdown] id="nb10-c24"
# `NEURON_COMPILED_ARTIFACTS` matters most. Without it, every start compiles again. With it, vLLM takes a program that it
# finds there, even if the flags have changed. So the name of the folder is made from the flags.
#
# `--num-gpu-blocks-override` is no page count here. Without prefix caching a block holds a whole text, so there are as many
# blocks as rows.
#
# ## The request, by hand
#
# The old `seq_length` counts prompt **and** answer. The new `max_tokens` counts only the answer.
#
# **Predict.** `seq_length` is 48. The longer prompt has 9 tokens. What is `max_tokens`?

# %% id="nb10-c25" tags=["predict"]
answer = ...  # a number of tokens

# %% id="nb10-c26"
translated = made.requests[0]
body = translated.of_length(longest=9)
reveal(answer, body["max_tokens"], json.dumps(body, indent=2), why="48 - 9: what the longest prompt leaves.")

# %% [markdown] id="nb10-c27"
# The new body also has `min_tokens`, because transformers-neuronx never ended a text early. vLLM on a processor obeys it.
# The sampler on the chip **ignores** it, so an answer there may be shorter. `temperature`, `top_k` and `top_p` say how the
# old library chose its tokens.
#
# ## Both sides, token by token
#
# The old folder answers in the rehearsal. The translated request goes to the real vLLM. Both take the likeliest token each
# time.
#
# **Predict.** Of the 39 new tokens of the first prompt, how many are equal from the start?

# %% id="nb10-c28" tags=["predict"]
answer = ...  # from 0 to 39

# %% id="nb10-c29" tags=["nbval-ignore-output"]
from inf2lab.migrate import comparison as compare_both

how, compared = compare_both(made, comparison)
first = compared[0]
texts = [f"{row.prompt!r}: {row.verdict}\n{wrap(repr(row.new), indent='  ')}" for row in compared]
reveal(answer, first.tokens if first.at is None else first.at, how, *texts)

# %% [markdown] id="nb10-c30"
# All of them are equal at `f16`, and at `f32` too. At `bf16` a few texts differ after a while. Then look at the margin.
# Where the two best tokens are a hundredth of a logit apart, the difference is rounding. A large margin is a mistake in
# the translation.
#
# Both sides ran on a processor. This shows that the request was translated correctly. It says nothing about the chip's
# speed.
#
# ## Clients that cannot move yet
#
# One more file lets vLLM take the old requests: a middleware. It is written beside the other files.

# %% id="nb10-c31"
import shutil

out = place / "moved"
shutil.rmtree(out, ignore_errors=True)
for path in made.write(out):
    print(path.relative_to(place))

# %% [markdown] id="nb10-c32"
# vLLM starts `bridge/bridge.py` with `--middleware bridge.Bridge`. It translates as you did by hand, and answers in the
# old form. Some things it cannot do. Read them before you promise it to anybody:

# %% id="nb10-c33"
import runpy

for limit in runpy.run_path(out / "bridge" / "bridge.py")["LIMITS"]:
    print(wrap(f"- {limit}", hanging="  "))

# %% [markdown] id="nb10-c34"
# In a terminal, `inf2lab migrate models/opt13b --out logs/moved` writes the same files, without those of the request. You
# serve, call, load and stop that folder like the old one: where vLLM is installed, `inf2lab serve logs/moved` starts it with
# the middleware. On an instance it is `sh command.sh`.
#
# Remove what this notebook wrote. Your folder was only read.

# %% id="nb10-c35"
shutil.rmtree(place)
print("left:", place.exists())

# %% [markdown] id="nb10-c36"
# ## Check yourself

# %% id="nb10-c37" tags=["check"]
check(
    "every key of the folder has a verdict",
    {key.removeprefix("option.") for key in folder.properties()} <= set(said),
    hint="run all cells from the folder on, in order",
)
check(
    "max_tokens is what the longest prompt leaves",
    body["max_tokens"] == 48 - 9,
    hint="seq_length counts the prompt too",
)
check(
    "old and new texts are equal, or differ where it is rounding",
    all(row.equal or row.is_rounding for row in compared),
    hint="a large margin: look at the translated request",
)

# %% [markdown] id="nb10-c38"
# **What you have now:** a verdict for every key, a launch command, a request and a middleware for the successor, and a
# comparison of both sides. The whole list, with every source: [docs/where_next.md](../docs/where_next.md).
#
# **On the chip:** nobody of this project has started the new command there. Begin with a model that the tables list.
#
# **Try it:** migrate the same folder with `to="lmi-vllm"`. What does it say about OPT, and what do you rent instead of
# Inf2?
#
# <details><summary>Answer</summary>
#
# OPT is kept: vLLM on a GPU serves it. You rent an instance with a GPU whose memory holds 26 GB of weights and the KV
# cache, for example one with 48 GB.
#
# </details>
#
# **Exercise:** [move one folder, then make two from nothing](exercises/10_where_next.ipynb)
#
# **Further reading:** [vLLM on Neuron, user guide](https://awsdocs-neuron.readthedocs-hosted.com/en/v2.28.1/libraries/nxd-inference/developer_guides/vllm-user-guide-v1.html),
# [optimum-neuron](https://huggingface.co/docs/optimum-neuron/index),
# [DJLServing's pull request that removes Neuron](https://github.com/deepjavalibrary/djl-serving/pull/2939)
#
# Next: [99 Clean up](99_clean_up.ipynb), if anything still runs.
