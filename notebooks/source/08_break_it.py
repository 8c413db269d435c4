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
# # Break it, and read the log
#
# | | |
# |---|---|
# | **You will do** | read four raw logs and name their causes; then break a server in three ways and fix it |
# | **You will be able to** | go from a line in a log to its cause, and say what a failure costs on the chip |
# | **Before you start** | [06 Call the endpoint](06_call.ipynb); nothing has to run |
# | **Time** | 27 minutes to read, 10 of them for the first part; a minute to run |
# | **Cost** | nothing in either lane: this notebook breaks the rehearsal, never the container |

# %% [markdown] id="nb08-c02"
# On the chip a failed start costs many minutes. Here it costs nothing. So learn here to read a log.

# %% id="nb08-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
port: int = 8080
all_drills: bool = False

# %% [markdown] id="nb08-c04"
# ## A log of 137 lines
#
# [notebooks/logs](logs) has four raw logs: `A.txt` to `D.txt`. Each begins with what the client was told. Open `A.txt`.
# It is the log of a start that failed. You need not read 137 lines. Look only at lines that name an exception:

# %% id="nb08-c05"
import re
import textwrap
from pathlib import Path

from inf2lab import check, drills, enter_repository, reveal
from inf2lab.checks import wrap
from inf2lab.words import plain

enter_repository()
logs = {letter: Path(f"notebooks/logs/{letter}.txt").read_text(encoding="utf-8") for letter in "ABCD"}
EXCEPTION = re.compile(r"(?:std\w+: |Caused by: |^)[\w.]*(?:Error|Exception|StopIteration)\b")


def exceptions(letter):
    """Print number and text of each line of a log that begins with an exception."""
    for number, line in enumerate(logs[letter].splitlines(), 1):
        if EXCEPTION.search(line):
            print(f"{letter} {number:3}  {textwrap.shorten(plain(line), 86, placeholder=' ...')}")


exceptions("A")

# %% [markdown] id="nb08-c06"
# **Predict.** Three kinds of exception are listed. Which one names the cause?

# %% id="nb08-c07" tags=["predict"]
answer = ...  # its name, for example "TypeError"

# %% id="nb08-c08"
cause = drills.explain("\n" + logs["A"].partition("\n")[2])[0]  # without line 1, the client's
reveal(answer, cause.line.partition(":")[0], f"line {cause.line_number}: {cause.title}")

# %% [markdown] id="nb08-c09"
# `EngineException` says only that the start failed. `TypeError` comes from a bug in DJL's worker: it fails while it writes
# the real error to the log. So the rule is: ignore the server's exceptions (`ai.djl...`, `java...`), and take the worker's
# first one. The worker's lines have the word `stderr`.
#
# ## Which log has which cause?
#
# | | cause |
# |---|---|
# | 1 | The model and its KV cache need more memory than the cores have. |
# | 2 | The tokenizer's files are missing. |
# | 3 | The client asks for more tokens than `n_positions` has room for. |
# | 4 | The prompt is longer than the model's own table of positions. |
# | 5 | `option.dtype=f16`: the built-in handler knows this format as `fp16`. |
# | 6 | The body of the request is made for another handler. |
#
# In C and D the server ran, and a request failed with status 424. In C, `n_positions` is 128.

# %% id="nb08-c10"
for letter in "BCD":
    exceptions(letter)

# %% [markdown] id="nb08-c11"
# **Predict.** Match the logs with the causes. Two causes are left over.

# %% id="nb08-c12" tags=["predict"]
answer = {"A": ..., "B": ..., "C": ..., "D": ...}  # a number from 1 to 6 each

# %% id="nb08-c13"
causes = {
    "out-of-device-memory": 1,
    "tokenizer-missing": 2,
    "n-positions-too-small": 3,
    "prompt-beyond-the-model": 4,
    "dtype-of-the-library": 5,
    "wrong-schema": 6,
}
found = {letter: drills.explain(text)[0] for letter, text in logs.items()}
reveal(answer, {letter: causes[match.name] for letter, match in found.items()})

# %% [markdown] id="nb08-c14"
# Why these words?
#
# | | words | how the cause leads to them | fix |
# |---|---|---|---|
# | A | `Allocation Failure` | The runtime reserves each tensor on the chip. The last ones find no space. | a higher degree, a smaller batch, fewer positions |
# | B | `KeyError: 'dtype'` | The handler drops a format that it does not know. Later it looks for the dropped value. | `fp16` without a model.py, `f16` with one |
# | C | `StopIteration`, and `"error":""` for the client | At position 128 the library asks for the next larger program. There is none. This exception has no text, so the client gets none. | ask for fewer tokens, or raise `n_positions` |
# | D | `IndexError: index out of range in self` | OPT has a table of 2,048 positions. The prompt needs row 2,103. | shorten the prompt |
#
# **Predict.** On the chip, which of these four failures cost you a load of the model?

# %% id="nb08-c15" tags=["predict"]
answer = ...  # a set of letters, for example {"A", "D"}

# %% id="nb08-c16"
reveal(
    answer,
    {letter for letter, text in logs.items() if "did not load" in text},
    why="C and D are requests: the server answers 424 and goes on.",
)

# %% [markdown] id="nb08-c17"
# `explain` knows many such lines and reads a log for you. In a terminal: `inf2lab explain notebooks/logs/C.txt`.

# %% id="nb08-c18"
print(wrap(str(found["C"])))

# %% [markdown] id="nb08-c19"
# Where do you begin, when you have only a symptom?
#
# ![A tree from left to right. First what you see: no answer, a failed start, or an error. Then the words of the log or the client, such as Allocation Failure or StopIteration. Then the cause.](../docs/pictures/symptoms.svg)
#
# [What goes wrong, and what to do](../docs/troubleshooting.md) has every line on one page, also those that only an
# instance shows: drivers, devices, quotas.

# %% [markdown] id="nb08-c20"
# ## You may stop here
#
# The short path's part ends here. Go on with [99 Clean up](99_clean_up.ipynb), or stay: below, you cause failures
# yourself and fix them.

# %% [markdown] id="nb08-c21"
# ## 1. A model that does not load
#
# The broken server gets the next port and an emulated machine of its own. Your own server can keep running. The folder is
# that of notebook 03, for the built-in handler. One value is new: the batch has 3 rows.

# %% id="nb08-c22"
import dataclasses

from inf2lab import LabError, ModelFolder, Server, Settings, expect_failure, write_properties

settings = Settings.from_notebook(globals(), also=["all_drills"])
settings = dataclasses.replace(settings, lane="rehearsal", profile="djl-0.25")
settings = dataclasses.replace(settings, machine="broken", port=settings.port + 1)
folder = ModelFolder.named("opt13b_broken")
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

# %% [markdown] id="nb08-c23"
# OPT-13B weighs 24 GiB, and two cores have 32 GiB. It does not load. The log has the sum for each core:

# %% id="nb08-c24"
with expect_failure(LabError, about="does not fit"):
    Server.start(settings, folder.path, report=lambda line: None)
log = Server.of(settings, folder.path).log_path.read_text()
first = drills.explain(log)
for word in ("weights  ", "KV cache  ", "total  "):
    print(next(line for line in log.splitlines() if word in line).split("stdout: ")[1])

# %% [markdown] id="nb08-c25"
# A core has 16 GiB, and not all of it is free. The weights cannot shrink. The [KV cache](../docs/glossary.md#kv-cache)
# can: it grows with rows and positions. **Fix it:** two rows, and 128 positions instead of 2048.
#
# **Predict.** How many GiB will a core hold then?

# %% id="nb08-c26" tags=["predict"]
answer = ...  # GiB on each core, to one place

# %% id="nb08-c27"
from inf2lab.planning import plan_of
from neuron_rules import GIB

fix = {"option.batch_size": 2, "option.n_positions": 128}
write_properties(folder.properties_path, options | fix)
planned = plan_of(folder, settings)
reveal(
    answer,
    round(planned.memory.total / GIB, 2),
    f"KV cache {planned.memory.kv_cache / GIB:.2f} GiB; the plan says: {planned.verdict.fit}",
    why="The weights stay. The cache shrinks with the rows and the positions.",
    within=0.02,
)

# %% [markdown] id="nb08-c28"
# On the chip you would wait twice: until the first start fails, and until this one is ready.
#
# ## 2. A fix that causes the next failure
#
# The server starts with 128 positions. A client asks for 200 tokens. **Predict.** What status does it get?

# %% id="nb08-c29" tags=["predict"]
answer = ...  # an HTTP status, for example 200

# %% id="nb08-c30"
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
server = Server.start(settings, folder.path, report=lambda line: None)
refused = server.endpoint.send({"inputs": prompts, "parameters": {"max_new_tokens": 200}})
second = [] if refused.ok else drills.explain(drills.log_until(server, "Arguments: "))
reveal(
    answer,
    refused.status,
    refused.text,
    *map(str, second),
    why="The positions hold prompt and answer together.",
)

# %% [markdown] id="nb08-c31"
# It is log C. Your fix for the first failure caused it. **Fix** the request. Or raise the option: that costs memory.

# %% id="nb08-c32" tags=["nbval-ignore-output"]
fixed = server.endpoint.send({"inputs": prompts, "parameters": {"max_new_tokens": 100}})
print(wrap(f"{fixed.status} {fixed.json()[0]['generated_text'][:300]}"))

# %% [markdown] id="nb08-c33"
# ## 3. A server that is too slow
#
# Now the request is right, and the server is too slow for it. This handler sleeps as long as a request says.

# %% id="nb08-c34"
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

# %% [markdown] id="nb08-c35"
# The server waits 2 seconds for an answer (`option.predict_timeout`; the default is 120 seconds, the inf2 image says 240).
#
# **Predict.** A request needs 30 seconds. Which status does it get? And which status does the next, short request get?

# %% id="nb08-c36" tags=["predict"]
answer = {"slow": ..., "next": ...}  # an HTTP status each

# %% id="nb08-c37"
write_properties(folder.properties_path, {"engine": "Python", "option.predict_timeout": 2})
server = Server.start(settings, folder.path, report=lambda line: None)
slow = server.endpoint.send({"sleep_s": 30})
after = server.endpoint.send({"sleep_s": 0})
log = server.log_path.read_text()
third = drills.explain(log)
words = ("exception:", "Restart", "initialized")
lines = [line for line in log.splitlines() if any(word in line for word in words)]
reveal(answer, {"slow": slow.status, "next": after.status}, slow.error, "\n".join(lines))

# %% [markdown] id="nb08-c38"
# The server killed the worker and started another. **The model was loaded again.** Here that took a moment. With OPT-13B
# on the chip it takes minutes. DJLServing 0.25 itself answers the slow request only after the reload, and then refuses
# requests for about a minute. One slow request takes the model away from everybody.
#
# Remove the broken server and its folder.

# %% id="nb08-c39"
import shutil

server.stop()
shutil.rmtree(folder.path)
print("running:", server.exists(), "- folder:", folder.path.exists())

# %% [markdown] id="nb08-c40"
# ## All the others
#
# `inf2lab drill --list` names all failures that can be caused here. Five of them were recorded with the client's answer:
# the **queue** is full; the worker died (**crash**); the URL has a wrong **name**; the body is **empty**; the
# content **type** is not JSON.
#
# **Predict.** Which status does each client get?

# %% id="nb08-c41" tags=["predict"]
answer = {"queue": ..., "crash": ..., "name": ..., "empty": ..., "type": ...}  # an HTTP status each

# %% id="nb08-c42"
five = {
    "queue": drills.find("queue-full"),
    "crash": drills.find("crash-in-the-handler"),
    "name": drills.find("wrong-name-in-the-url"),
    "empty": drills.find("empty-body"),
    "type": drills.find("body-taken-for-a-form"),
}
statuses = {what: int(drills.seen()[drill.name].terminal[0].split()[1]) for what, drill in five.items()}
reveal(answer, statuses, *(f"{what}: {drill.cause}" for what, drill in five.items()))

# %% [markdown] id="nb08-c43"
# A drill starts a server of its own, causes the failure, and compares what it sees with what is written about it. The next
# cell runs one drill. `all_drills = True` runs all of them, which takes one to three minutes.

# %% id="nb08-c44"
results = list(drills.run(drills.DRILLS.values() if all_drills else [drills.find("queue-full")]))
for result in results:
    print(f"{result.verdict}  {result.drill.title}")

# %% [markdown] id="nb08-c45"
# ## Check yourself

# %% id="nb08-c46" tags=["check"]
check(
    "each of your three failures led to its cause",
    [match.name for matches in (first, second, third) for match in matches]
    == ["out-of-device-memory", "n-positions-too-small", "predict-timeout"],
    hint="run the cells in order; each start of a server begins a new log",
)
check("your fix fits the cores", str(planned.verdict.fit) == "fits", hint="fewer rows or fewer positions")
check("after a fix the server answers", fixed.ok and after.ok, hint="inf2lab explain")
check(
    "every drill showed what is written about it",
    all(result.ok or result.unavailable for result in results),
    hint="`inf2lab drill NAME` shows what was not seen",
)
check(
    "nothing of this notebook is left",
    not server.exists() and not folder.path.exists(),
    hint="`inf2lab stop --port 8081`, and remove models/opt13b_broken",
)

# %% [markdown] id="nb08-c47"
# **What you have now:** a way from a symptom to a cause, a page to search, and a command that reads logs.
#
# **On the chip:** the same words in the same order, after minutes instead of seconds. The runtime's own lines are longer.
#
# **Try it:** set `option.n_positions` to 1024 in the first fix, keep two rows, and run from there. What does the client
# with 200 tokens get?
#
# <details><summary>Answer</summary>
#
# It gets 200: the cache holds 1,024 positions, so prompt and 200 tokens have room. A core holds 0.7 GiB more than with 128
# positions. The first check says FAIL, because nothing failed.
#
# </details>
#
# **Exercise:** [an evening's log](exercises/08_break_it.ipynb)
#
# **Further reading:** [Neuron runtime: troubleshooting](https://awsdocs-neuron.readthedocs-hosted.com/en/latest/neuron-runtime/nrt-troubleshoot.html),
# [DJLServing: configuration](https://github.com/deepjavalibrary/djl-serving/blob/master/serving/docs/configurations.md),
# [DJLServing: its modes and the worker's time-outs](https://github.com/deepjavalibrary/djl-serving/blob/master/serving/docs/modes.md)
#
# Next: [09 Scale out](09_scale_out.ipynb). The server of notebook 05 still runs. On the short path:
# [99 Clean up](99_clean_up.ipynb).
