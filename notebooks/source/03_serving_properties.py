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
# | **You will do** | lint the article's files line by line, write your own `serving.properties`, serve it, ask it, break it twice |
# | **You will be able to** | name the keys that matter, tell `option.batch_size` from `batch_size`, find a mistake before it costs a load |
# | **Before you start** | [00 Start here](00_start_here.ipynb); [02 Plan](02_plan.ipynb) explains the degree |
# | **Time** | 25 minutes to read; 1 minute to run in the rehearsal; on the chip a load: 7 to 55 minutes by the planner, nobody has published it |
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
model_name: str = "opt13b"
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
# ## The article's first file, line by line
#
# Some mistakes are visible in a file before anything starts. `lint` knows the traps of each version. Here is the
# article's own file for the built-in handler, judged for the article's own image.
#
# **Predict, then run.** The file has nine lines. How many have a problem? How many of those stop the load?

# %% id="nb03-c07"
from inf2lab import lint
from inf2lab.folder import write_article
from inf2lab.lint import Target, annotated

then = Target("seed-0.21", "inf2.48xlarge")  # the article's image and instance
first = lint(write_article("built-in", "logs/article/built-in"), then)
annotated(first)

# %% [markdown] id="nb03-c08"
# Three lines. Only the **error** stops the load. The **warning** and the **note** let it run, and not as meant:
#
# - line 1: the article's text and its `model.py` say OPT-13B. This file would serve a tenth of that model under
#   the same name.
# - line 4: the model is compiled for 256 positions. The article's request asks for 2048.
# - line 8: the handler's name has had three spellings. In 0.21.0 it has no *s*.
#
# Line 6 stops a load after ten minutes. DJLServing's own tests give a model of this size no more. For OPT-13B it
# would be too little, and it beats the 7200 seconds of the docker command: you see that below.
#
# Where one cure is certain, the linter writes it. The others are your decision. **Predict, then run:** which of
# the three does it mend?

# %% id="nb03-c09"
from inf2lab import read_properties, write_properties

mended = lint(first.folder, then, fix=True)
print(mended.fixed, "mended:", read_properties(first.folder / "serving.properties")["option.entryPoint"])
print("left to you: line", *(f.line for f in mended.findings if f.file == "serving.properties"))

# %% [markdown] id="nb03-c10"
# The linter also read the article's request and its docker command, and compared them with the file:

# %% id="nb03-c11"
for finding in first.findings:
    if finding.file != "serving.properties":
        print(f"{finding.file}:{finding.line} {finding.severity:8}{finding.message}")

# %% [markdown] id="nb03-c12"
# The first two would have shown up only after the load. The request fits the article's `model.py` and nothing else,
# and it asks for more than was compiled. The docker command comes back in notebook 05, the request in 06.
#
# ## The article's second route
#
# Its second `serving.properties` has four lines and no problem. The work is done by a `model.py` beside it. Here are
# the lines of that file that the linter stumbles over.

# %% id="nb03-c13"
second = lint(write_article("model.py", "logs/article/model.py"), then)
print("in serving.properties:", sum(f.file == "serving.properties" for f in second.findings))
annotated(second, "model.py", whole=False)

# %% [markdown] id="nb03-c14"
# Nothing here is an error: the article's handler did run. It ran for these two prompts, for one model, with luck. In
# notebook 04 you write a handler without these lines.
#
# Every defect, with what to do instead, is in `docs/article_defects.md`. That page is built from the linter's rules, so
# text and tool cannot disagree.
#
# ## Write your own file
#
# One key a line. Keys that begin with `option.` go to the handler. `%%writefile` writes the cell's text to disk;
# `{settings.model_name}` stands for the parameter.

# %% id="nb03-c15"
folder = ModelFolder.named(f"{settings.model_name}_builtin")
folder.path.mkdir(parents=True, exist_ok=True)
print("the model will be called", folder.name)

# %% [markdown] id="nb03-c16"
# Now the file itself. Read it as five answers: which engine, which handler, which model, how is it split, and
# how long may it take to load.

# %% id="nb03-c17"
# %%writefile models/{settings.model_name}_builtin/serving.properties
# engine=Python
# option.entryPoint=djl_python.transformers_neuronx
# option.model_id=facebook/opt-13b
# option.tensor_parallel_degree=2
# option.batch_size=2
# option.n_positions=2048
# option.dtype=fp16
# option.model_loading_timeout=7200

# %% [markdown] id="nb03-c18"
# Compare it with the article's. The handler's name has underscores from 0.24 on. The model is the one the folder is
# named after. The positions hold the longest text you will ask for. And the load has two hours, as in the article's
# docker command: more than twice the planner's slowest first load. Half of that is enough once weights and programs are
# kept.
#
# The file holds the article's degree and batch. The next cell puts **your** parameters in their place.

# %% id="nb03-c19"
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

# %% [markdown] id="nb03-c20"
# Note `fp16`. The built-in handler says `fp16`; the library below it says `f16`. A `model.py` of your own needs
# the library's word. Mixing them up is one of the article's traps.
#
# ## Read it as Java does
#
# DJLServing reads the file with Java's rules. **Predict, then run:** which value wins below, and what does the
# key with a blank in front mean?

# %% id="nb03-c21"
from pathlib import Path

trap = Path("logs/trap.properties")
trap.parent.mkdir(exist_ok=True)
trap.write_text("option.batch_size=2\n  option.batch_size : 4\nbatch_size=8\n# option.dtype=fp16\n")
print(read_properties(trap))

# %% [markdown] id="nb03-c22"
# The last of two equal keys wins, without a warning. Leading blanks mean nothing, and a colon is as good as `=`.
#
# `batch_size` without `option.` is a **different setting**: it lets the server collect requests of several
# clients. Leave it out. `option.batch_size` is the number of rows the model is compiled for; from 0.24.0 on the plain key is
# that as well, where the option is missing.
#
# ## Lint it
#
# Now **your** file, under your profile and on your instance. What do you expect?

# %% id="nb03-c23"
findings = lint(folder.path, settings).findings
print(len(findings), "findings")
for finding in findings:
    print(finding)

# %% [markdown] id="nb03-c24"
# In a terminal: `inf2lab lint models/opt13b_builtin`. With `--fix` it writes the mends that are safe. All rules are in
# `docs/lint_rules.md`.
#
# ## Start it
#
# **Predict, then run.** The folder has no weights and no code. What has to happen before it can answer?

# %% id="nb03-c25"
server = Server.start(settings, folder.path)

# %% [markdown] id="nb03-c26"
# Each line is a step, with the seconds since the start. On the chip the same steps appear, with minutes between *the
# handler* and *model loaded*: the weights are fetched, read and copied, and five programs are compiled. Nobody has
# published how many minutes that takes for OPT-13B. The planner's bounds are 7 and 55, by bytes and programs. (One user
# wrote "20 minutes or so", of a smaller OPT with a larger batch: aws-neuron-samples, issue 8, April 2023.)
#
# What did the server make of the folder?

# %% id="nb03-c27"
described = server.describe()
for group in described["workerGroups"]:
    print("device", group["device"], "workers", len(group["workers"]), "of at most", group["maxWorkers"])
print("status", described["status"], "- queue for", described["queueSize"], "requests")

# %% [markdown] id="nb03-c28"
# One worker on `nc`, the NeuronCores that start at 0. The server gave it as many cores as the degree says.
#
# ## Ask it
#
# The built-in handler has its own request body: `inputs`, a list, and `parameters`. In this version
# `max_new_tokens` counts the **whole** text, prompt included. The name promises something else.

# %% id="nb03-c29" tags=["nbval-ignore-output"]
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"][: settings.batch_size]
body = {"inputs": prompts, "parameters": {"max_new_tokens": 64}}
answer = server.endpoint.send(body)
for row in answer.json():
    print(row["generated_text"], "\n")

# %% [markdown] id="nb03-c30"
# The words come from the small stand-in, which has read AWS's API documentation and nothing else. Your text
# differs: each token is drawn at random from the 50 most likely ones.
#
# Look at the form instead: one object a prompt, and the prompt is repeated in the answer.

# %% id="nb03-c31"
print(answer.status, answer.headers["content-type"])
print([sorted(row) for row in answer.json()])
print([row["generated_text"].startswith(prompt) for row, prompt in zip(answer.json(), prompts, strict=True)])

# %% [markdown] id="nb03-c32"
# ## Break it: too many prompts
#
# The model is compiled for a fixed batch. Fewer prompts are filled up with empty rows. More are refused.

# %% id="nb03-c33"
too_many = server.endpoint.send({"inputs": ["one"] * (settings.batch_size + 1)})
print(too_many.status, too_many.reason)
print(too_many.text)

# %% [markdown] id="nb03-c34"
# **424** means that the handler raised an exception. The server is fine, and so is the next request.
#
# ## Break it: the wrong word for the dtype
#
# Now the trap from above. The file says `f16` where the built-in handler wants `fp16`. The linter sees it at once:

# %% id="nb03-c35"
broken = ModelFolder.named("opt13b_broken")
write_properties(broken.properties_path, folder.properties() | {"option.dtype": "f16"})
annotated(lint(broken.path, settings), whole=False)

# %% [markdown] id="nb03-c36"
# Start it all the same, to see what the server says. On the chip you would wait and pay for this sentence.

# %% id="nb03-c37"
with expect_failure(LabError, about="did not load"):
    Server.start(settings, broken.path, report=lambda line: None)

# %% [markdown] id="nb03-c38"
# The sentence carries the worker's own last exception, `KeyError: 'dtype'`. It does not name the wrong value:
# this version trips over the refused option before it can report it. So learn to read it like this: *a key in
# quotes and nothing else* means **look at that key in your file**. The log ends with the line that raised.

# %% id="nb03-c39"
for line in Server.of(settings, broken.path).logs(3):
    print(line.strip())

# %% [markdown] id="nb03-c40"
# ## Clean up
#
# The broken folder goes. The server of this notebook is already gone: the second start took its place.

# %% id="nb03-c41"
import shutil

shutil.rmtree(broken.path)
server.stop()
print("running:", server.exists())

# %% [markdown] id="nb03-c42"
# ## Check yourself

# %% id="nb03-c43" tags=["check"]
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

# %% [markdown] id="nb03-c44"
# **What you have now:** `models/opt13b_builtin`, a folder of one file that serves a model; two failures you will
# recognise.
#
# **On the chip:** the same folder, unchanged. Only the lane differs. Compiled programs are kept in `cache/`, and the
# next start of this folder takes 3 to 14 minutes by the planner. Notebook 04's handler compiles once more: the built-in
# one adds a flag of its own to the compiler's, and the flags are part of a program's key. To keep programs beyond the
# instance, `option.compiled_graph_path=s3://bucket/folder` puts the compiler's cache there: from 0.25 on, for the
# built-in handler.
#
# **Try it:** add `option.n_positions=256` and ask for 512 tokens. What does the handler say?
#
# **Exercise:** [mend a serving.properties](exercises/03_serving_properties.ipynb)
#
# Next: [04 Write your own handler](04_model_py.ipynb)
