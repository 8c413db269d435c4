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

# %% [markdown] id="nb08-c01"
# # Break it on purpose
#
# | | |
# |---|---|
# | **You will do** | break a server in three ways, read what it says, find the cause, mend it; then see all the other ways |
# | **You will be able to** | go from a line in a log to its cause, and know what a failure costs on the chip |
# | **Before you start** | [07 Measure the endpoint](07_measure.ipynb) |
# | **Time** | 30 minutes to read; 1 minute to run |
# | **Cost** | nothing: also on an instance this notebook breaks the rehearsal, and not the container |

# %% [markdown] id="nb08-c02"
# On the chip a failure costs minutes: the model loads, compiles, and *then* stops. Here it costs seconds. So meet
# the failures here, before they meet you there.
#
# Each one goes the same way: **predict, break, read, explain, fix**.

# %% id="nb08-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
port: int = 8080
all_drills: bool = False

# %% [markdown] id="nb08-c04"
# Your own server may go on running. The broken one gets the next port, and a played machine of its own: on yours the
# cores are taken.

# %% id="nb08-c05"
import dataclasses

from inf2lab import LabError, ModelFolder, Server, Settings, check, drills, enter_repository, expect_failure
from inf2lab.folder import write_properties

enter_repository()
settings = Settings.from_notebook(globals(), also=["all_drills"])
settings = dataclasses.replace(settings, lane="rehearsal", profile="djl-0.25")
settings = dataclasses.replace(settings, machine="broken", port=settings.port + 1)
folder = ModelFolder.named("opt13b_broken")
print(f"{len(drills.DRILLS)} failures are known here by name")

# %% [markdown] id="nb08-c06"
# ## 1. A model that does not load
#
# This is notebook 03's folder, for the built-in handler. One value is new: the batch has 3 rows.

# %% id="nb08-c07"
options = {
    "engine": "Python",
    "option.entryPoint": "djl_python.transformers_neuronx",
    "option.model_id": "facebook/opt-13b",
    "option.tensor_parallel_degree": 2,
    "option.batch_size": 3,
    "option.n_positions": 2048,
    "option.dtype": "fp16",
}
_ = write_properties(folder.properties_path, options)

# %% [markdown] id="nb08-c08"
# **Predict, then run.** OPT-13B weighs 24 GiB, and two cores have 32. Will it load?

# %% id="nb08-c09"
with expect_failure(LabError, about="does not fit"):
    Server.start(settings, folder.path, report=lambda line: None)

# %% [markdown] id="nb08-c10"
# **Read.** The message has three parts: what the runtime says (`status=4`), the tensor at which it stopped, and the
# sum. The log has the sum in detail:

# %% id="nb08-c11"
server = Server.of(settings, folder.path)
log = server.log_path.read_text()
for word in ("weights  ", "KV cache  ", "total  "):
    print(next(line for line in log.splitlines() if word in line).split("stdout: ")[1])

# %% [markdown] id="nb08-c12"
# 12 GiB of weights on each core, and a KV cache that grows with rows and positions. A core has 16 GiB, and not all
# of it is free.
#
# **Explain.** `explain` knows the lines of many failures. It reads the log for you. In a terminal it is
# `inf2lab explain`.

# %% id="nb08-c13"
first = drills.explain(log)
print(*first, sep="\n\n")

# %% [markdown] id="nb08-c14"
# **Fix.** Two rows instead of three. And to be safe, much shorter texts: 128 positions. Remember this choice.

# %% id="nb08-c15"
write_properties(folder.properties_path, options | {"option.batch_size": 2, "option.n_positions": 128})
server = Server.start(settings, folder.path)

# %% [markdown] id="nb08-c16"
# On the chip you would have waited for this twice: minutes until it failed, minutes until it loaded.
#
# ## 2. An error without a word
#
# The server runs. A client asks for 200 tokens. **Predict, then run.** What will the error say?

# %% id="nb08-c17"
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
answer = server.endpoint.send({"inputs": prompts, "parameters": {"max_new_tokens": 200}})
print(answer.status, answer.reason)
print(answer.text)

# %% [markdown] id="nb08-c18"
# **Read.** 424: the handler raised. The error is empty! A message can be empty, a log is not. (A worker's words
# reach the log a moment after its answer, so wait for the line that ends them.)

# %% id="nb08-c19"
log = drills.log_until(server, "Arguments: ")
print(log.splitlines()[-1].split("stderr: ")[1])

# %% [markdown] id="nb08-c20"
# A bare `StopIteration`: Python's sign for "there is no next one". The next **what**?

# %% id="nb08-c21"
second = drills.explain(log)
print(*second, sep="\n\n")

# %% [markdown] id="nb08-c22"
# So your first fix caused the second failure: 128 positions hold prompt and answer together. **Fix** the request,
# or raise the option and pay for it in memory.

# %% id="nb08-c23" tags=["nbval-ignore-output"]
answer = server.endpoint.send({"inputs": prompts, "parameters": {"max_new_tokens": 100}})
print(answer.status, answer.json()[0]["generated_text"])

# %% [markdown] id="nb08-c24"
# ## 3. A server in trouble
#
# Now the request is fine, and the server is too slow for it. A small handler is enough to see it. It sleeps as
# long as a request tells it to.

# %% id="nb08-c25"
# %%writefile models/opt13b_broken/model.py
# import time
#
# from djl_python import Input, Output
#
#
# def handle(inputs: Input):
#     if inputs.is_empty():
#         return None
#     time.sleep(inputs.get_as_json()["sleep_s"])
#     return Output().add_as_json({"outputs": ["good morning"]})

# %% [markdown] id="nb08-c26"
# The server waits 2 seconds for an answer. (The default is 120, the inf2 image says 240.)

# %% id="nb08-c27"
write_properties(folder.properties_path, {"engine": "Python", "option.predict_timeout": 2})
server = Server.start(settings, folder.path, report=lambda line: None)
print(server.endpoint.send({"sleep_s": 0}).status)

# %% [markdown] id="nb08-c28"
# **Predict, then run.** A request needs 30 seconds. When does the client hear something, and what? And does the
# next request still find a server?

# %% id="nb08-c29"
slow = server.endpoint.send({"sleep_s": 30})
print(slow.status, slow.error)
after = server.endpoint.send({"sleep_s": 0})
print(after.status, after.reason)

# %% [markdown] id="nb08-c30"
# **Read.** 503 after two seconds, and the next request works. What happened in between is in the log:

# %% id="nb08-c31"
log = server.log_path.read_text()
words = ("exception:", "Restart", "initialized")
print(*(line for line in log.splitlines() if any(word in line for word in words)), sep="\n")

# %% [markdown] id="nb08-c32"
# The server killed the worker and started another. **The model was loaded again.** Here that took a moment. With
# OPT-13B on the chip it takes minutes; and DJLServing 0.25 itself answers this request only after the reload, then
# refuses for about a minute. One slow request takes the model away from everybody.

# %% id="nb08-c33"
third = drills.explain(log)
print(*third, sep="\n\n")

# %% [markdown] id="nb08-c34"
# Clean up behind the three.

# %% id="nb08-c35"
import shutil

server.stop()
shutil.rmtree(folder.path)
print("running:", server.exists(), "- folder:", folder.path.exists())

# %% [markdown] id="nb08-c36"
# ## All the others
#
# Each of the failures below is caused now, against a server of its own, and compared with what is written about
# it. These load no model, so they are quick. `all_drills = True` runs every one: one to three minutes.

# %% id="nb08-c37"
quick = [
    "degree-beyond-cores", "entry-point-of-another-release", "missing-handler", "unknown-engine", "load-timeout",
    "crash-in-the-handler", "port-taken", "two-servers-at-once", "stale-state-file", "queue-full",
]  # fmt: skip
chosen = list(drills.DRILLS.values()) if all_drills else [drills.find(name) for name in quick]
results = list(drills.run(chosen))
for result in results:
    print(f"{result.verdict}  {result.drill.title}")

# %% [markdown] id="nb08-c38"
# And the rest, as they looked when they were recorded. The second line of each is what to search a log for.

# %% id="nb08-c39"
import textwrap

done = {result.drill.name for result in results} | {match.name for match in (*first, *second, *third)}
for name, drill in drills.DRILLS.items():
    if name not in done and drill.log:
        print(f"{drill.title}\n    {textwrap.shorten(drills.seen()[name].words, 100, placeholder=' ...')}")

# %% [markdown] id="nb08-c40"
# One of them, as a reader of its page sees it. `inf2lab drill tokenizer-missing` prints this and more.

# %% id="nb08-c41"
drill = drills.find("tokenizer-missing")
print("caused by  ", drill.how)
print("cause      ", drill.cause)
print("fix        ", drill.fix)
print("on the chip", drill.chip)

# %% [markdown] id="nb08-c42"
# [What goes wrong, and what to do](../docs/troubleshooting.md) has them all on one page, and with them what only an
# instance can show: drivers, devices, quotas.
#
# ## Check yourself

# %% id="nb08-c43" tags=["check"]
check(
    "each log led to its cause",
    [match.name for matches in (first, second, third) for match in matches]
    == ["out-of-device-memory", "n-positions-too-small", "predict-timeout"],
    hint="run the cells in order; the log of a port is begun anew at each start",
)
check("after a fix the server answers", answer.ok and after.ok, hint="inf2lab explain")
check(
    "every drill went as it is written",
    all(result.ok or result.unavailable for result in results),
    hint="`inf2lab drill NAME` shows what was not seen",
)
check("nothing of this notebook is left", not server.exists(), hint="inf2lab stop")

# %% [markdown] id="nb08-c44"
# **What you have now:** the way from a symptom to a cause, a page to search, and a command that reads logs.
#
# **Exercise:** [a folder that does not load](exercises/08_break_it.ipynb)
#
# Next: [09 Scale out](09_scale_out.ipynb). The server of notebook 05 still runs.
