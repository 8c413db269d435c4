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

# %% [markdown] id="nb03-c01"
# # Serve a model without code: serving.properties
#
# | | |
# |---|---|
# | **You will do** | write `serving.properties`, serve it with DJL's built-in handler, ask it, break it twice |
# | **You will be able to** | name the keys that matter, tell `option.batch_size` from `batch_size`, read a load failure |
# | **Before you start** | [00 Start here](00_start_here.ipynb); [02 Plan](02_plan.ipynb) explains the degree |
# | **Time** | 20 minutes to read; 1 minute to run in the rehearsal; 20 minutes to load on the chip |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price, which the second cell prints |

# %% [markdown] id="nb03-c02"
# DJLServing can serve many models with no code of yours. You give it a **model folder** with one file,
# `serving.properties`. The file names a handler that ships inside the container, the model, and how to split it.
#
# This is the first of two routes. Notebook 04 takes the second: your own `model.py`.

# %% id="nb03-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_id: str = "facebook/opt-13b"
tensor_parallel_degree: int = 2
batch_size: int = 2
n_positions: int = 2048
dtype: str = "f16"
port: int = 8080

# %% [markdown] id="nb03-c04"
# The next cell checks the parameters and shows what an hour of the real instance costs.

# %% id="nb03-c05"
from inf2lab import LabError, ModelFolder, Server, Settings, check, enter_repository, expect_failure

enter_repository()
settings = Settings.from_notebook(globals())
print(f"{settings.lane} lane, DJLServing {settings.stack.djl}, {settings.model_id}")
hourly = settings.hardware.usd_per_hour
print(f"{settings.instance}: {hourly} USD an hour on demand (date and source: lib/inf2lab/catalog)")

# %% [markdown] id="nb03-c06"
# ## Write the file
#
# One key a line. Keys that begin with `option.` go to the handler. `%%writefile` writes the cell's text to disk.

# %% id="nb03-c07"
folder = ModelFolder.named("opt13b_builtin")
folder.path.mkdir(parents=True, exist_ok=True)
print("the model will be called", folder.name)

# %% [markdown] id="nb03-c08"
# Now the file itself. Read it as five answers: which engine, which handler, which model, how is it split, and
# how long may it take to load.

# %% id="nb03-c09"
# %%writefile models/opt13b_builtin/serving.properties
# engine=Python
# option.entryPoint=djl_python.transformers_neuronx
# option.model_id=facebook/opt-13b
# option.tensor_parallel_degree=2
# option.batch_size=2
# option.n_positions=2048
# option.dtype=fp16
# option.model_loading_timeout=1200

# %% [markdown] id="nb03-c10"
# Three lines differ from the article, and each difference saves you a failed start:
#
# - `entryPoint`: the name changed with almost every release. The article has two spellings, and its own image
#   knows neither. Underscores are right from 0.24 on.
# - `model_id`: the article's file says `opt-1.3b` where its text says OPT-13B.
# - `model_loading_timeout`: the option wins over the environment variable that the article passes to Docker. Its
#   600 seconds would end the load of a large model.
#
# The file holds the article's degree and batch. The next cell puts **your** parameters in their place.

# %% id="nb03-c11"
from inf2lab import read_properties, write_properties

mine = {
    "option.entryPoint": settings.stack.entry_point,
    "option.model_id": settings.model_id,
    "option.tensor_parallel_degree": settings.tensor_parallel_degree,
    "option.batch_size": settings.batch_size,
    "option.n_positions": settings.n_positions,
    "option.dtype": settings.stack.handler_dtype(settings.dtype),
}
write_properties(folder.properties_path, read_properties(folder.properties_path) | mine)
print(folder.properties_path.read_text())

# %% [markdown] id="nb03-c12"
# Note `fp16`. The built-in handler says `fp16`; the library below it says `f16`. A `model.py` of your own needs
# the library's word. Mixing them up is one of the article's traps.
#
# ## Read it as Java does
#
# DJLServing reads the file with Java's rules. **Predict, then run:** which value wins below, and what does the
# key with a blank in front mean?

# %% id="nb03-c13"
from pathlib import Path

trap = Path("logs/trap.properties")
trap.parent.mkdir(exist_ok=True)
trap.write_text("option.batch_size=2\n  option.batch_size : 4\nbatch_size=8\n# option.dtype=fp16\n")
print(read_properties(trap))

# %% [markdown] id="nb03-c14"
# The last of two equal keys wins, without a warning. Leading blanks mean nothing, and a colon is as good as `=`.
#
# `batch_size` without `option.` is a **different setting**: it lets the server collect requests of several
# clients. Leave it out. `option.batch_size` is the number of rows the model is compiled for.
#
# ## Ask the linter first
#
# Some mistakes are visible in the file, before anything starts. `lint` knows the traps of each version. Give it the
# article's own first file, under the article's own image. **Predict, then run:** how many lines have a problem?

# %% id="nb03-c15"
from inf2lab import lint
from inf2lab.lint import Target
from inf2lab.lint.article import write_article

article = write_article("built-in", "logs/article")
for finding in lint(article, Target("seed-0.21")).findings:
    if finding.file == "serving.properties":
        print(f"line {finding.line}  {finding.severity:8}{finding.message}")

# %% [markdown] id="nb03-c16"
# Four of its lines have one, and the last of them, the handler's name, stops the load. Now **your** file, under your
# profile.

# %% id="nb03-c17"
findings = lint(folder.path, settings).findings
print(len(findings), "findings")
for finding in findings:
    print(finding)

# %% [markdown] id="nb03-c18"
# In a terminal: `inf2lab lint models/opt13b_builtin`. With `--fix` it writes the mends that are safe. All rules are in
# `docs/lint_rules.md`.
#
# ## Start it
#
# **Predict, then run.** The folder has no weights and no code. What has to happen before it can answer?

# %% id="nb03-c19"
server = Server.start(settings, folder.path)

# %% [markdown] id="nb03-c20"
# Each line is a step, with the seconds since the start. On the chip the same steps appear, with about twenty
# minutes between *the handler* and *model loaded*: the weights are read, split and compiled. (Twenty minutes is what
# users of OPT reported in aws-neuron-samples, issue 8, April 2023. Later versions keep compiled programs.)
#
# What did the server make of the folder?

# %% id="nb03-c21"
described = server.endpoint.describe()
for group in described["workerGroups"]:
    print("device", group["device"], "workers", len(group["workers"]), "of at most", group["maxWorkers"])
print("status", described["status"], "- queue for", described["queueSize"], "requests")

# %% [markdown] id="nb03-c22"
# One worker on `nc`, the NeuronCores that start at 0. The server gave it as many cores as the degree says.
#
# ## Ask it
#
# The built-in handler has its own request body: `inputs`, a list, and `parameters`. In this version
# `max_new_tokens` counts the **whole** text, prompt included. The name promises something else.

# %% id="nb03-c23" tags=["nbval-ignore-output"]
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"][: settings.batch_size]
body = {"inputs": prompts, "parameters": {"max_new_tokens": 64}}
answer = server.endpoint.send(body)
for row in answer.json():
    print(row["generated_text"], "\n")

# %% [markdown] id="nb03-c24"
# The words come from the small stand-in, which has read AWS's API documentation and nothing else. Your text
# differs: each token is drawn at random from the 50 most likely ones.
#
# Look at the form instead: one object a prompt, and the prompt is repeated in the answer.

# %% id="nb03-c25"
print(answer.status, answer.headers["content-type"])
print([sorted(row) for row in answer.json()])
print([row["generated_text"].startswith(prompt) for row, prompt in zip(answer.json(), prompts, strict=True)])

# %% [markdown] id="nb03-c26"
# ## Break it: too many prompts
#
# The model is compiled for a fixed batch. Fewer prompts are filled up with empty rows. More are refused.

# %% id="nb03-c27"
too_many = server.endpoint.send({"inputs": ["one"] * (settings.batch_size + 1)})
print(too_many.status, too_many.reason)
print(too_many.text)

# %% [markdown] id="nb03-c28"
# **424** means that the handler raised an exception. The server is fine, and so is the next request.
#
# ## Break it: the wrong word for the dtype
#
# Now the trap from above. The file says `f16` where the built-in handler wants `fp16`. This stops the load.

# %% id="nb03-c29"
broken = ModelFolder.named("opt13b_broken")
write_properties(broken.properties_path, folder.properties() | {"option.dtype": "f16"})
with expect_failure(LabError, about="did not load"):
    Server.start(settings, broken.path, report=lambda line: None)

# %% [markdown] id="nb03-c30"
# The sentence carries the worker's own last exception, `KeyError: 'dtype'`. It does not name the wrong value:
# this version trips over the refused option before it can report it. So learn to read it like this: *a key in
# quotes and nothing else* means **look at that key in your file**. The log ends with the line that raised.

# %% id="nb03-c31"
for line in Server.of(settings, broken.path).logs(3):
    print(line.strip())

# %% [markdown] id="nb03-c32"
# ## Clean up
#
# The broken folder goes. The server of this notebook is already gone: the second start took its place.

# %% id="nb03-c33"
import shutil

shutil.rmtree(broken.path)
server.stop()
print("running:", server.exists())

# %% [markdown] id="nb03-c34"
# ## Check yourself

# %% id="nb03-c35" tags=["check"]
written = folder.properties()
check(
    "the handler is named as this profile spells it",
    written["option.entryPoint"] == settings.stack.entry_point,
    hint="run the cell that writes your parameters",
)
check(
    "both prompts were answered",
    answer.ok and len(answer.json()) == len(prompts),
    hint="start the server again, then ask again",
)
check(
    "too many prompts are refused with 424",
    too_many.status == 424,
    hint="send more prompts than option.batch_size",
)
check("nothing is left running", not server.exists(), hint="server.stop()")

# %% [markdown] id="nb03-c36"
# **What you have now:** `models/opt13b_builtin`, a folder of one file that serves a model; two failures you will
# recognise.
#
# **On the chip:** the same folder, unchanged. Only the lane differs.
#
# **Try it:** add `option.n_positions=256` and ask for 512 tokens. What does the handler say?
#
# Next: [04 Write your own handler](04_model_py.ipynb)
