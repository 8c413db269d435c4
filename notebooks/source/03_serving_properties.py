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
# | **You will do** | write a `serving.properties`, serve it, ask it, break it twice, write a second one by yourself, judge the article's files |
# | **You will be able to** | name the keys that matter, tell `option.batch_size` from `batch_size`, find a mistake before it costs a load |
# | **Before you start** | [00 Start here](00_start_here.ipynb); [02 Plan](02_plan.ipynb) explains the degree |
# | **Time** | 25 minutes to read and write; 1 minute to run in the rehearsal; on the chip one load: 7 to 55 minutes by the planner, nobody has published it |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price, which the second cell prints |

# %% [markdown] id="nb03-c02"
# DJLServing can serve many models with no code of yours. You give it a **model folder** with one file,
# `serving.properties`. The file names a handler that is inside the container, the model, and how to split it.
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
from inf2lab import ModelFolder, Server, Settings, check, enter_repository, expect_failure, reveal

enter_repository()
settings = Settings.from_notebook(globals())
folder = ModelFolder.named(f"{settings.model_name}_builtin")
folder.path.mkdir(parents=True, exist_ok=True)
print(f"{settings.lane} lane, DJLServing {settings.stack.djl}, {settings.model_id}")
hourly = settings.hardware.usd_per_hour
print(f"{settings.instance}: {hourly} USD an hour on demand (date and source: lib/inf2lab/catalog)")

# %% [markdown] id="nb03-c06"
# ## Write the file
#
# One key a line. Keys that begin with `option.` go to the handler. `%%writefile` writes the cell's text to disk.
#
# Read the file as five answers. Which engine? Which handler? Which model? How is it split? How long may it load?

# %% id="nb03-c07"
# %%writefile models/{settings.model_name}_builtin/serving.properties
# engine=Python
# option.entryPoint=djl_python.transformers_neuronx
# option.model_id=facebook/opt-13b
# option.tensor_parallel_degree=2
# option.batch_size=2
# option.n_positions=2048
# option.dtype=fp16
# option.model_loading_timeout=7200

# %% [markdown] id="nb03-c08"
# `engine=Python` says that a Python worker answers. `option.n_positions` is the longest text that you will ask for, prompt and
# answer together. Two hours for the load are more than twice the planner's slowest first one. Half is enough once weights and programs are kept.
#
# The next cell puts **your** parameters in their place.

# %% id="nb03-c09"
from inf2lab import read_properties, write_properties

mine = {
    "option.entryPoint": settings.stack.entry_point,
    "option.model_id": settings.model_id,
    "option.tensor_parallel_degree": settings.tensor_parallel_degree,
    "option.batch_size": settings.batch_size,
    "option.n_positions": settings.n_positions,
    "option.dtype": settings.stack.handler_dtype(settings.dtype),
}
written = read_properties(folder.properties_path)
write_properties(folder.properties_path, written | mine)
print(folder.properties_path.read_text())

# %% [markdown] id="nb03-c10"
# Look at `fp16`. The built-in handler says `fp16`. The library below it says `f16`, and a `model.py` of your own needs the
# library's word.
#
# ## Read it as Java does
#
# DJLServing reads the file with Java's rules. `trap` holds these four lines:

# %% id="nb03-c11"
from pathlib import Path

trap = Path("logs/trap.properties")
trap.parent.mkdir(exist_ok=True)
trap.write_text("option.batch_size=2\n  option.batch_size : 4\nbatch_size=8\n# option.dtype=fp16\n")
print(trap.read_text())

# %% [markdown] id="nb03-c12"
# **Predict.** Which value does `option.batch_size` have?

# %% id="nb03-c13" tags=["predict"]
answer = ...  # a number

# %% id="nb03-c14"
read = read_properties(trap)
why = "The last of two equal keys wins, without a warning. Leading blanks mean nothing; a colon is as good as `=`."
reveal(answer, int(read["option.batch_size"]), str(read), why=why)

# %% [markdown] id="nb03-c15"
# `batch_size` without `option.` is a **different setting**: it lets the server collect requests of several clients. Leave it
# out. `option.batch_size` is the number of rows the model is compiled for. (From 0.24.0 on, the plain key sets the rows too
# if `option.batch_size` is missing.)
#
# ## Lint it
#
# Some mistakes are visible before anything starts. `lint` judges **your** file under your profile and on your instance.

# %% id="nb03-c16"
from inf2lab import lint

findings = lint(folder.path, settings).findings
print(len(findings), "findings")
for finding in findings:
    print(finding)

# %% [markdown] id="nb03-c17"
# In a terminal: `inf2lab lint models/opt13b_builtin`. All rules are in `docs/lint_rules.md`.
#
# ## Start it
#
# The folder has no weights and no code. So the server finds the handler in its container, and the handler fetches the
# weights, splits them and compiles.

# %% id="nb03-c18"
server = Server.start(settings, folder.path)

# %% [markdown] id="nb03-c19"
# Each line is a step, with the seconds since the start. On the chip the same steps appear, with minutes between *the
# handler* and *model loaded*: the weights are fetched, read and copied, and five programs are compiled, one
# for each of five lengths. Nobody has published how many minutes that takes for OPT-13B. The planner's bounds are 7 and 55, by bytes and programs. (One user wrote
# "20 minutes or so", of a smaller OPT with a larger batch: aws-neuron-samples, issue 8, April 2023.)
#
# What did the server make of the folder?

# %% id="nb03-c20"
described = server.describe()
for group in described["workerGroups"]:
    print("device", group["device"], "workers", len(group["workers"]), "of at most", group["maxWorkers"])
print("status", described["status"], "- queue for", described["queueSize"], "requests")

# %% [markdown] id="nb03-c21"
# `nc` means NeuronCores, and 0 is the first one. One worker started there, with as many cores as the degree says.
#
# ## Ask it
#
# The built-in handler has its own request body: `inputs`, a list, and `parameters`. In this version `max_new_tokens` counts
# the **whole** text, prompt included. The name promises something else.

# %% id="nb03-c22" tags=["nbval-ignore-output"]
from inf2lab.checks import wrap

prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"][: settings.batch_size]
body = {"inputs": prompts, "parameters": {"max_new_tokens": 64}}
reply = server.endpoint.send(body)
for row in reply.json():
    print(wrap(row["generated_text"]), "\n")

# %% [markdown] id="nb03-c23"
# The words come from the small stand-in, which has read only AWS's API documentation. Your text differs: each token is drawn
# at random from the 50 most likely ones. Look at the form: one object a prompt, and the prompt is repeated.

# %% id="nb03-c24"
print(reply.status, reply.headers["content-type"])
print([sorted(row) for row in reply.json()])
print([row["generated_text"].startswith(prompt) for row, prompt in zip(reply.json(), prompts, strict=True)])

# %% [markdown] id="nb03-c25"
# ## Break it: too many prompts
#
# The model is compiled for a fixed batch. Fewer prompts are filled up with empty rows. More are refused.
#
# **Predict.** You send one prompt too many. Which HTTP status comes back: 200, 400, 424 or 503?

# %% id="nb03-c26" tags=["predict"]
answer = ...  # a number, such as 200

# %% id="nb03-c27"
too_many = server.endpoint.send({"inputs": ["one"] * (settings.batch_size + 1)})
why = "424 means: the handler raised an exception. The server is fine, and so is the next request."
reveal(answer, too_many.status, too_many.text, why=why)

# %% [markdown] id="nb03-c28"
# ## Break it: the wrong word for the dtype
#
# Now the file says `f16` where the built-in handler wants `fp16`. The linter sees it at once:

# %% id="nb03-c29"
from inf2lab.lint import annotated

broken = ModelFolder.named("opt13b_broken")
write_properties(broken.properties_path, folder.properties() | {"option.dtype": "f16"})
annotated(lint(broken.path, settings), whole=False)

# %% [markdown] id="nb03-c30"
# Start it all the same. On the chip you would wait and pay for this sentence. The cell also prints the end of the log.

# %% id="nb03-c31"
from inf2lab import LabError

with expect_failure(LabError, about="did not load"):
    Server.start(settings, broken.path, report=lambda line: None)
for line in Server.of(settings, broken.path).logs(3):
    print("log:", line)

# %% [markdown] id="nb03-c32"
# The sentence carries the worker's own last exception, `KeyError: 'dtype'`. It does not name the wrong value, because this
# version fails while it reports the refused option. Remember the form: *a key in quotes and nothing else* means **look at
# that key in your file**. The log ends with the same error, below the line that raised it.
#
# Remove the broken folder. The server of this notebook is already gone: the second start took its place.

# %% id="nb03-c33"
import shutil

shutil.rmtree(broken.path)
server.stop()
print("running:", server.exists())

# %% [markdown] id="nb03-c34"
# ## Your turn: write a folder by yourself
#
# A team asks you for a folder for the built-in handler of DJLServing 0.25:
#
# - Llama-2-7B (`meta-llama/Llama-2-7b-hf`) on an **inf2.xlarge**: one chip, two cores
# - up to four prompts in one request
# - prompt and answer together up to 2048 tokens, numbers of 16 bits
# - one copy, and an hour for the load

# %% id="nb03-c35"
team = Settings(instance="inf2.xlarge", model_id="meta-llama/Llama-2-7b-hf", batch_size=4)
yours, worked = ModelFolder.named("llama7b"), ModelFolder(Path("notebooks/worked/llama7b"))
yours.path.mkdir(parents=True, exist_ok=True)
print(f"{team.instance}: {team.hardware.cores} cores, {team.hardware.host_gib} GiB on the host")

# %% [markdown] id="nb03-c36"
# Write the file into this cell, below the comment. You know the keys from above.

# %% id="nb03-c37"
# %%writefile models/llama7b/serving.properties
# # one key a line

# %% [markdown] id="nb03-c38"
# The linter judges your file. While it holds no key, a worked solution is judged instead, and the cell says so. (No server judges
# it here: this repository has no small Llama. `inf2lab fetch smollm2-135m` brings one of 93 MB; then
# `inf2lab serve models/llama7b --instance inf2.xlarge` starts your folder.)

# %% id="nb03-c39"
judged = yours if yours.properties() else worked
print("judged:", "your file" if judged is yours else "the worked solution, as your file holds no key")
report = lint(judged.path, team)
annotated(report, whole=False)

# %% [markdown] id="nb03-c40"
# The planner reads the same file:

# %% id="nb03-c41"
from inf2lab.planning import plan_of, rows

order = plan_of(judged, team)
told = dict(rows(order))
for subject in ("model", "degree", "memory", "host"):
    print(wrap(f"{subject}: {told[subject]}"))

# %% [markdown] id="nb03-c42"
# In the worked solution a note and a warning stay. The note is what the team asked for: 2048 of 4096 positions. The warning is
# right: the cores hold the model, but the **host** does not. It has 16 GiB, and the built-in handler holds the weights twice in
# 32 bits while it loads. So on the chip, take inf2.8xlarge. Or split the checkpoint on a larger machine, write its path as
# `option.model_id`, and add `option.load_split_model=true`.
#
# <details><summary>Answer: the worked solution, with reasons</summary>
#
# [The file](worked/llama7b/serving.properties). Degree 2, because one core cannot hold the weights and the runtime, and the
# instance has two. `option.batch_size=4`, because the team sends four prompts in one request. `option.n_positions=2048`,
# because 4096 with four rows would be *uncertain*. `fp16` is the built-in handler's word. 3600 seconds are an hour.
#
# </details>
#
# ## You may stop here
#
# The short path goes on with [04 Write your own handler](04_model_py.ipynb). Or stay, and judge the article.
#
# ## The article's first file, line by line
#
# Now you can judge. This is the [article](../docs/article_defects.md)'s file for the built-in handler:

# %% id="nb03-c43"
from inf2lab.folder import write_article

articles = write_article("built-in", "logs/article/built-in")
print((articles / "serving.properties").read_text())

# %% [markdown] id="nb03-c44"
# The linter judges it for the article's own image, 0.21.
#
# **Predict.** How many lines have a finding? How many of those stop the load? (The request of the article asks for 2048
# tokens from OPT-13B.)

# %% id="nb03-c45" tags=["predict"]
answer = {"lines with a finding": ..., "lines that stop the load": ...}  # two numbers

# %% id="nb03-c46"
from inf2lab.lint import Target

then = Target("seed-0.21", "inf2.48xlarge")  # the article's image and instance
first = lint(articles, then)
found = [finding for finding in first.findings if finding.file == "serving.properties"]
stops = {finding.line for finding in found if finding.severity == "error"}
truth = {
    "lines with a finding": len({finding.line for finding in found}),
    "lines that stop the load": len(stops),
}
reveal(
    answer,
    truth,
    annotated(first, whole=False),
    why="Only an error stops the load. With the others it runs, but not as meant.",
)

# %% [markdown] id="nb03-c47"
# - line 1: the article's text and its `model.py` say OPT-13B. This file serves a tenth of that model under the same name.
# - line 4: the model is compiled for 256 positions. The article's request asks for 2048.
# - line 8: the handler's name. It has had three spellings:
#
# | release | `option.entryPoint` |
# |---|---|
# | 0.21 | `djl_python.transformer-neuronx` |
# | 0.22, 0.23 | `djl_python.transformers-neuronx` |
# | 0.24 to 0.34 | `djl_python.transformers_neuronx` |
#
# Line 6 is right for the small model: DJLServing's own tests give it ten minutes. OPT-13B needs more, and this line is used
# instead of the 7200 seconds of the docker command.
#
# (`inf2lab lint --fix` changes only what has one certain fix: here line 8.)
#
# The linter also read the article's request (`call.sh`) and its docker command (`run.sh`), and compared them with the file:

# %% id="nb03-c48"
for finding in first.findings:
    if finding.file != "serving.properties":
        print(wrap(f"{finding.file}:{finding.line} {finding.severity}: {finding.message}"))

# %% [markdown] id="nb03-c49"
# The first two would show only after the load. Notebook 05 takes up the docker command, notebook 06 the request.
#
# ## The article's second route
#
# Its second `serving.properties` has four lines and no finding. The work is done by a `model.py` beside it. Here are the lines
# of that file with a finding:

# %% id="nb03-c50"
second = lint(write_article("model.py", "logs/article/model.py"), then)
for finding in second.findings:
    if finding.file == "model.py":
        print(wrap(f"line {finding.line} {finding.severity}: {finding.message}"))

# %% [markdown] id="nb03-c51"
# Nothing here is an error. By luck, the handler worked for these two prompts. In notebook 04 you write one without these
# lines. Every defect, with what to do instead, is in [article_defects.md](../docs/article_defects.md).
#
# ## Check yourself
#
# The last four are about the folder that you wrote by yourself, or the worked solution.


# %% id="nb03-c52" tags=["check"]
def errors_of(found):
    return [str(finding) for finding in found.findings if finding.severity == "error"]


errors = errors_of(lint(folder.path, settings))
check("your first folder: the linter finds no error", not errors, hint="; ".join(errors))
asked = reply.ok and len(reply.json()) == len(prompts)
check("every prompt was answered", asked, hint="start the server again, then ask again")
check("one prompt too many was refused", too_many.status == 424, hint="send more than option.batch_size")
check("nothing is left running", not server.exists(), hint="server.stop()")
stated, request = judged.properties(), order.request
errors = errors_of(report)
check("your own folder: the linter finds no error", not errors, hint="; ".join(errors))
split = (request.model.name, request.tensor_parallel_degree) == (team.model_id, 2)
check(
    "your own folder: the model fits on both cores",
    split and order.verdict.fit == "fits",
    hint=order.verdict.text,
)
rows_hint = "four rows, 2048 positions; `batch_size` without `option.` is the server's"
sizes = [stated.get(f"option.{name}") for name in ("batch_size", "n_positions")]
check("your own folder: compiled for the team's requests", sizes == ["4", "2048"], hint=rows_hint)
hour = stated.get("option.model_loading_timeout") == "3600" and request.dtype != "f32"
check("your own folder: 16 bits, and an hour for the load", hour, hint="see dtype and model_loading_timeout")

# %% [markdown] id="nb03-c53"
# ## What is kept on the chip
#
# Compiled programs are kept in `cache/`. Notebook 04's handler compiles once more: the built-in one adds a flag of its own to
# the compiler's, and the flags are part of a program's key. To keep programs beyond the instance,
# `option.compiled_graph_path=s3://bucket/folder` puts the compiler's cache there: from 0.25 on, for the built-in handler.

# %% [markdown] id="nb03-c54"
# **What you have now:** `models/opt13b_builtin`, a folder of one file that serves a model; a second one that you wrote by yourself;
# two failures that you will recognise.
#
# **On the chip:** the same folder, unchanged. Only the lane differs. The next start of this folder takes 3 to 14 minutes by the planner.
#
# **Try it:** write `option.n_positions=256`, start again, and ask for 512 tokens. What does the handler say?
#
# <details><summary>Answer</summary>
#
# Status 424 with an empty `"error"`. The cache ends at 256, and the library finds no larger program. The exception
# is a bare `StopIteration`, which has no text. So an empty error from this handler means: more tokens than `n_positions`.
# Notebook 08 shows its log.
#
# </details>
#
# **Exercise:** [a file from six sentences](exercises/03_serving_properties.ipynb)
#
# **Further reading:** [DJLServing's configuration](https://docs.djl.ai/docs/serving/serving/docs/configuration.html) ·
# [its handler for Neuron](https://docs.djl.ai/docs/serving/serving/docs/lmi/user_guides/tnx_user_guide.html), as of 2024 ·
# [Properties.load](https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)), Java's rules ·
# [Llama 2](https://arxiv.org/abs/2307.09288), the paper
#
# Next: [04 Write your own handler](04_model_py.ipynb)
