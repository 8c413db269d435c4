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

# %% [markdown] id="nb00-c01"
# # Start here: see the whole path and check this machine
#
# | | |
# |---|---|
# | **You will do** | check your machine, see what stands in for the chip, look at the model that ships with this repository |
# | **You will be able to** | say what is real and what is played in the rehearsal, and switch to a real instance with one parameter |
# | **Before you start** | `make setup` in a terminal has ended without an error |
# | **Time** | 5 minutes to read, seconds to run |
# | **Cost** | nothing: this notebook bills nothing in either lane |

# %% [markdown] id="nb00-c02"
# ## Two lanes, one model folder
#
# An article from April 2023 shows how to serve a large language model on AWS Inferentia2 with DJLServing.
# You will do what it does, step by step, and repair what has stopped working since.
#
# The stack that it uses has **ended**: there are no new releases. Learn it here to run and understand what is served with
# it today; [10 Where next](10_where_next.ipynb) takes a folder to what came after.
#
# Every notebook runs in one of two **lanes**:
#
# - `rehearsal` runs on the machine you sit at. No chip, no AWS account, no bill.
# - `inf2` runs on an instance with Inferentia2 chips and the real container.
#
# The lane is one parameter. The files you write are the same in both.

# %% id="nb00-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
port: int = 8080

# %% [markdown] id="nb00-c04"
# The cell above holds this notebook's **parameters**. Change a value there, or for a whole
# run in a terminal: `make run P="-p lane inf2"`. The next cell checks them. A wrong name or value stops here, with the
# remedy.

# %% id="nb00-c05"
from inf2lab import Settings, enter_repository

enter_repository()
settings = Settings.from_notebook(globals())
print("lane:    ", settings.lane)
print("profile: ", settings.profile, "-", settings.stack.why)
print("instance:", settings.instance, "-", settings.hardware.cores, "NeuronCores")

# %% [markdown] id="nb00-c06"
# A **profile** names one generation of the stack: server, container image, libraries. `djl-0.25` is the last
# one whose SDK documented OPT, the model of the article. `seed-0.21` is the article's own, and you will meet
# its rules again.
#
# Now the picture to keep in mind.

# %% id="nb00-c07"
from inf2lab import pictures

pictures.lanes()

# %% [markdown] id="nb00-c08"
# Read it from the top. Your notebooks and your client are the same code in both lanes. So is the model folder.
# Only the bottom differs.
#
# In the rehearsal, these parts are **real**: DJL's own Python worker and handler, the HTTP contract of the
# server, your files. These parts are **played**: the NeuronCores, and the weights of the 13-billion-parameter
# model. No time measured in the rehearsal says anything about the chip.
#
# ## Can this machine do it?
#
# `doctor` looks and changes nothing. Every line that is not `ok` says what to do.

# %% id="nb00-c09" tags=["nbval-ignore-output"]
from inf2lab.doctor import examine

findings = examine(settings)
for finding in findings:
    print(f"{finding.level:8}{finding.subject:18}{finding.found}  {finding.remedy}")

# %% [markdown] id="nb00-c10"
# The same table comes from a terminal: `inf2lab doctor`. On an instance, `inf2lab doctor --lane inf2` looks
# for `/dev/neuron*` and Docker instead.
#
# ## The model that plays OPT-13B
#
# OPT-13B needs 26 GB. Your laptop gets a small model of the **same architecture**, trained for this repository
# on AWS's own API documentation. The next cell stops if the table above has a line that says `missing`. Then look
# at the sizes.

# %% id="nb00-c11"
import json
from pathlib import Path

from inf2lab import check
from neuron_rules import ModelDims

missing = [f"{finding.subject}: {finding.remedy}" for finding in findings if finding.level == "missing"]
check("nothing is missing on this machine", not missing, hint="; ".join(missing))
tiny = ModelDims.from_config(json.loads(Path("models/tiny-opt/config.json").read_text()))
for name, model in {"tiny-opt": tiny, settings.model_id: settings.model}.items():
    print(f"{name:17}{model.parameters / 1e6:9,.1f} M parameters, {model.layers} layers, {model.heads} heads")

# %% [markdown] id="nb00-c12"
# **Predict, then run.** Your model folder will say `facebook/opt-13b`, in both lanes. How can a small model
# answer to that name, with no model hub in reach?
#
# The next cell prepares the trick. Look at the last lines it prints.

# %% id="nb00-c13"
from inf2lab.weights import standins

standin = standins.prepare(settings.model_id)
config = json.loads((standin.snapshot / "config.json").read_text())
print(standin.model_id, "is played by", standin.played_by)
print("computes with hidden size", config["hidden_size"])
print("keeps the rules of")
for key, value in config["rehearsal_stands_for"].items():
    print(f"    {key:24}{value}")

# %% [markdown] id="nb00-c14"
# The name leads to the small weights through an offline cache. One extra key in their configuration,
# `rehearsal_stands_for`, carries the dimensions of the real model. So the emulated chip can refuse 40 heads on
# 24 cores, or a batch that does not fit, exactly where the real chip would.
#
# ## The article's two prompts
#
# The article sends two prompts at once and never pads them. That works only because both have the same number
# of tokens. Check it with the tokenizer that ships here.

# %% id="nb00-c15"
from tokenizers import Tokenizer

prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
tokenizer = Tokenizer.from_file("models/tiny-opt/tokenizer.json")
for prompt in prompts:
    tokens = tokenizer.encode(prompt).tokens
    print(len(tokens), tokens)

# %% [markdown] id="nb00-c16"
# Nine tokens each, `</s>` in front included; the strange `Ġ` is how this tokenizer writes a space. Any other
# pair of prompts may differ in length. Notebook 04 deals with that.
#
# ## The path
#
# | notebook | what you do | what it costs on the chip |
# |---|---|---|
# | [01](01_instance.ipynb) | read the launch request, its price, its end; start it if you want | nothing until you confirm |
# | [02](02_plan.ipynb) | decide how the model is split over NeuronCores | nothing |
# | [03](03_serving_properties.ipynb) | lint the article's files, then serve without code: `serving.properties` | instance time |
# | [04](04_model_py.ipynb) | write your own handler: `model.py` | instance time |
# | [05](05_serve.ipynb) | start the server, watch it get ready | instance time |
# | [06](06_call.ipynb) | send the article's request, and wrong ones | instance time |
# | [07](07_measure.ipynb) | put load on it: the knee, a stall, the price | instance time |
# | [08](08_break_it.ipynb) | break it on purpose, and learn the symptoms | nothing: it breaks the rehearsal |
# | [09](09_scale_out.ipynb) | put it on a cluster, and lose parts of it | nothing here; on AWS each instance bills |
# | [10](10_where_next.ipynb) | take the folder to the stack's successors | nothing |
# | [99](99_clean_up.ipynb) | stop everything and prove it | ends the bill |
#
# The short path is 02, 03, 04, 05, 06 and 99. Prices are in `lib/inf2lab/catalog`, with date and source.

# %% [markdown] id="nb00-c17"
# ## Check yourself

# %% id="nb00-c18" tags=["check"]
lengths = {len(tokenizer.encode(prompt).ids) for prompt in prompts}
check(
    "the two prompts have one length",
    len(lengths) == 1,
    hint="models/tiny-opt is not the shipped one: git checkout models",
)
check(
    "the stand-in knows whom it plays",
    config["rehearsal_stands_for"]["num_attention_heads"] == settings.model.heads,
    hint="run again from the top",
)

# %% [markdown] id="nb00-c19"
# **What you have now:** a machine that is ready, a picture of the two lanes, a small model behind a big name.
#
# **Try it:** set `profile = "djl-0.36"` in the parameters and run the cell below it. What does the error say?
#
# Next: [02 Plan how the model is split](02_plan.ipynb), or first [01 Get an instance](01_instance.ipynb) if you are
# going to the chip today.
