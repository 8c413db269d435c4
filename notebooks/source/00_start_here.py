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
# | **You will do** | meet the parts, see the whole path and its price, check your machine |
# | **You will be able to** | say what each part does, what is real in the rehearsal and what is not, and what the chip costs |
# | **Before you start** | you know Python and a terminal; `make lab` has set everything up and opened this page. You need to know neither AWS nor model servers |
# | **Time** | 10 minutes to read, seconds to run |
# | **Cost** | nothing: this notebook bills nothing in either lane |

# %% [markdown] id="nb00-c02"
# In these notebooks you put a large language model behind a web address, on **Inferentia2**, a chip of AWS. You write two small
# files, start a server, send it a prompt and read the answer. All of it runs on your machine. Later you may rent the chip and
# run the same files there.
#
# The notebooks follow an article of AWS's blog of April 2023, *Deploy large language models on AWS Inferentia2 using large
# model inference containers*
# ([English](https://aws.amazon.com/blogs/machine-learning/deploy-large-language-models-on-aws-inferentia2-using-large-model-inference-containers/),
# [日本語](https://aws.amazon.com/jp/blogs/news/deploy-large-language-models-on-aws-inferentia2-using-large-model-inference-containers/)).
# Some of it has stopped working since. You will see what, and how to fix it.

# %% [markdown] id="nb00-c03"
# ## The parts
#
# ![Five layers. On top HTTP, then DJLServing and its Python worker, then transformers-neuronx, then Neuron's runtime and compiler with the driver, then the Inferentia2 chip with its two NeuronCores. A request goes down through them, and the answer comes back up.](../docs/pictures/layers.svg)
#
# Read it from the bottom.
#
# - **Inferentia2** is the chip. It has two processors, the **NeuronCores**, and memory of its own. You rent it by the hour as
#   part of an inf2 **instance**.
# - **Neuron** is AWS's software for the chip: a driver, a runtime and a compiler.
# - **transformers-neuronx** is AWS's Python library that cuts a language model into slices for several cores.
# - **DJLServing** is the model server. DJL is the *Deep Java Library*. The server takes requests by HTTP and hands them to a
#   **worker**, a Python process.
#
# Blue words lead to [the glossary](../docs/glossary.md), which has the Japanese word of each term too. Commands, logs, errors and
# the hints of checks are English in every edition of these notebooks.

# %% [markdown] id="nb00-c04"
# ## The model is compiled, and its shapes are fixed
#
# A NeuronCore cannot run Python. The **compiler** turns the model into programs for the cores before the first answer. It plans
# each step and each byte of memory in advance. So it must know every size: how many cores share the model, how many
# prompts come at once, how long a text may become. You choose these three numbers, and another choice means minutes of
# compiling again.
#
# ## What you write: a model folder
#
# ```
# models/opt13b/
#     serving.properties    which model, and the three numbers
#     model.py              how a request is answered, if you want your own code
# ```
#
# OPT-13B is the article's model: 13 billion weights, 26 GB.

# %% [markdown] id="nb00-c05"
# ## What has ended
#
# This stack gets no new releases: support for transformers-neuronx ended in September 2025, and DJLServing removed Neuron in
# 0.35.0. Start nothing new on it. You can still learn here how the parts fit: degree, KV cache, batch, logs and price are the same
# on any stack. And somebody must keep running services alive, or move them: [10 Where next](10_where_next.ipynb).
#
# ## Two lanes
#
# Every notebook runs in one of two **lanes**: `rehearsal` on this machine, without chip, AWS account or bill; `inf2` on an
# instance with the chip, in the real container. The lane is one parameter. The files you write are the same in both.

# %% id="nb00-c06" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
port: int = 8080

# %% [markdown] id="nb00-c07"
# The cell above holds this notebook's **parameters**. Click on a cell and press Shift+Enter to run it. The next one checks them.

# %% id="nb00-c08"
from inf2lab import Settings, check, enter_repository, plan, reveal

enter_repository()
settings = Settings.from_notebook(globals())
print("lane:    ", settings.lane)
print("profile: ", settings.profile, "-", settings.stack.why)
print("instance:", settings.instance, "-", settings.hardware.cores, "NeuronCores")

# %% [markdown] id="nb00-c09"
# A **profile** is our name for one release of DJLServing with its image and rules. `djl-0.25` is the last one whose SDK (its set of
# Neuron's parts) documented OPT, the article's model. `seed-0.21` is the article's own profile.
#
# ## The path
#
# | notebook | what you do | on the chip |
# |---|---|---|
# | [01](01_instance.ipynb) | read the launch request, its price and its end; start it if you want | bills once you confirm |
# | [02](02_plan.ipynb) | decide how the model is split over NeuronCores, and what it costs | not needed |
# | [03](03_serving_properties.ipynb) | serve without code: `serving.properties` | one load, which compiles |
# | [04](04_model_py.ipynb) | write your own handler: `model.py` | one load, which compiles |
# | [05](05_serve.ipynb) | start the server, watch it get ready | one load |
# | [06](06_call.ipynb) | send the article's request, and wrong ones | no load |
# | [07](07_measure.ipynb) | send many requests; see how many it answers, and at what price | no load |
# | [08](08_break_it.ipynb) | break it on purpose, and read the logs | not needed |
# | [09](09_scale_out.ipynb) | put it on a cluster, and lose parts of it | not needed |
# | [10](10_where_next.ipynb) | take the folder to the stack's successors | not needed |
# | [99](99_clean_up.ipynb) | stop everything and prove it | ends the bill |
#
# **The short path** is 00, 02 to 06, 08 and 99, each as far as its heading *You may stop here*: two hours.
#
# ## What is real here

# %% id="nb00-c10"
from inf2lab import pictures

pictures.lanes()

# %% [markdown] id="nb00-c11"
# Only the bottom differs. **Real** in the rehearsal: DJL's own Python worker and handler, the server's answers and errors, your
# files. **Played**: the NeuronCores and the large weights. An emulated chip keeps the real one's rules: what the chip refuses, the
# rehearsal refuses too. But no time measured in the rehearsal says anything about the chip.
#
# ## Can this machine do it?
#
# `doctor` looks and changes nothing. Every line that is not `ok` says what to do.

# %% id="nb00-c12" tags=["nbval-ignore-output"]
from inf2lab.doctor import examine

findings = examine(settings)
for finding in findings:
    print(f"{finding.level:8}{finding.subject:18}{finding.found}  {finding.remedy}")

# %% [markdown] id="nb00-c13"
# ## When a cell fails
#
# 1. Read the **last line** of the error. It says what is wrong, the rule, and what to do.
# 2. Type `inf2lab explain` in a terminal (menu *File*, *New*, *Terminal*). It names the known failures in the newest log, with cause and fix.
# 3. Look for the line in [docs/troubleshooting.md](../docs/troubleshooting.md).
# 4. `NameError`: a cell above has not run. Restart the kernel (menu *Kernel*, *Restart Kernel and Run All
#    Cells*). Your files stay.
#
# ## What the chip costs
#
# A rented instance bills by the hour, whether it works or waits.
#
# **Predict.** Four hours of an inf2.8xlarge, the smallest instance that loads OPT-13B: how many dollars? Write a number in place of
# the three dots and run both cells.

# %% id="nb00-c14" tags=["predict"]
answer = ...  # a number of dollars

# %% id="nb00-c15"
from inf2lab import catalog

four_hours = round(4 * catalog.instance("inf2.8xlarge").usd_per_hour, 2)
million = plan(Settings(instance="inf2.8xlarge")).started_usd
tokens = f"A million tokens of the one copy that it holds: {million.low:.0f} to {million.high:.0f} dollars."
why = "Disk and address come to 5 % more. The tokens are the planner's range: nobody has measured them."
reveal(answer, four_hours, tokens, why=why, within=0.25)

# %% [markdown] id="nb00-c16"
# Much of a session goes into **loads**: weights are fetched, programs are compiled. Here is the whole path on the chip, for a small
# model and for OPT-13B. The bounds are calculated from bytes and programs, not measured.

# %% id="nb00-c17"
from inf2lab.aws import path_table

path_table()

# %% [markdown] id="nb00-c18"
# So try the small one first: [01](01_instance.ipynb) begins with it.
#
# ## The model that stands in
#
# Your machine gets a small model of the same kind, trained for this repository on AWS's API documentation. Your folder says
# `facebook/opt-13b` all the same. The next cell looks up who generates the text, and whose rules apply.

# %% id="nb00-c19"
import json

from inf2lab.weights import standins

standin = standins.prepare(settings.model_id)
small = json.loads((standin.snapshot / "config.json").read_text())
rules = small["rehearsal_stands_for"]
print(f"{standin.played_by} generates the text, with {small['num_hidden_layers']} layers")
print(
    f"{settings.model_id}'s rules apply: {rules['num_hidden_layers']} layers, {rules['num_attention_heads']} heads"
)

# %% [markdown] id="nb00-c20"
# So the texts are poor, but each refusal is as on the chip.
#
# ## Check yourself

# %% id="nb00-c21" tags=["check"]
missing = [f"{finding.subject}: {finding.remedy}" for finding in findings if finding.level == "missing"]
host = plan(settings).host
check("nothing is missing on this machine", not missing, hint="; ".join(missing))
check(
    "the instance you named can load OPT-13B",
    host.peak_gib < host.instance_gib,
    hint=f"{settings.instance} has {host.instance_gib} GiB, the load needs {host.peak_gib:.0f}: inf2.8xlarge or larger",
)
check(
    "the stand-in keeps the rules of the model you named",
    rules["num_attention_heads"] == settings.model.heads,
    hint="run the cell above again",
)

# %% [markdown] id="nb00-c22"
# **What you have now:** a machine that is ready, the parts and their names, the path and its price.
#
# **On the chip:** `inf2lab doctor --lane inf2` looks for `/dev/neuron*`, Docker and the container's image instead.
#
# **Try it:** set `profile = "djl-0.36"` in the parameters and run the cell below it. What does the error say?
#
# <details><summary>Answer</summary>
#
# DJLServing removed its Neuron code in 0.35.0: there is no newer release. The error names the profiles that exist.
#
# </details>
#
# **Further reading:** [Inferentia2's architecture](https://awsdocs-neuron.readthedocs-hosted.com/en/latest/about-neuron/arch/neuron-hardware/inferentia2.html) (AWS) ·
# [why all shapes are fixed](https://awsdocs-neuron.readthedocs-hosted.com/en/latest/compiler/error-codes/EMOD025.html) (AWS) ·
# [DJLServing's modes](https://docs.djl.ai/docs/serving/serving/docs/modes.html) (DJL)
#
# Next: [02 Plan how the model is split](02_plan.ipynb), or first [01 Get an instance](01_instance.ipynb) if you are
# going to the chip today.
