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

# %% [markdown] id="nb06-c01"
# # Call the endpoint
#
# | | |
# |---|---|
# | **You will do** | send the article's request with curl and with requests, look closely at the answer, send wrong bodies |
# | **You will be able to** | write a client for a model behind DJLServing, and read every answer it gives |
# | **Before you start** | [05 Start the server](05_serve.ipynb); the server still runs |
# | **Time** | 20 minutes to read; 1 minute to run in the rehearsal |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price while the server runs |

# %% [markdown] id="nb06-c02"
# A model behind DJLServing is one URL. You POST a body, and the handler's answer comes back. No client library is
# needed, and none hides what happens.

# %% id="nb06-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
seq_length: int = 2048
port: int = 8080

# %% [markdown] id="nb06-c04"
# `Server.running` finds the server that notebook 05 left behind. It was written down in a state file.

# %% id="nb06-c05"
import json

from inf2lab import Endpoint, ModelFolder, Server, Settings, check, enter_repository, expect_failure

enter_repository()
settings = Settings.from_notebook(globals(), also=["seq_length"])
server = Server.running(settings)
rows = int(server.folder.option("batch_size", "1"))
positions = server.folder.option("n_positions", "2048")
print(f"found {server.folder.name}, compiled for {rows} rows of {positions} positions")

# %% [markdown] id="nb06-c06"
# ## The article's request, with curl
#
# Two prompts, 2048 tokens each. This is the command you would type:

# %% id="nb06-c07"
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
prompts = (prompts * rows)[:rows]
body = {"seq_length": seq_length, "text": prompts}
url = server.endpoint.url
print(f"curl -X POST {url} \\\n  -H 'Content-Type: application/json' \\\n  -d '{json.dumps(body)}'")

# %% [markdown] id="nb06-c08"
# Run it. Not with `!curl`: a failed `!` command passes without a sound. If curl is missing here, the next cell says
# so, and you go on with Python.

# %% id="nb06-c09" tags=["nbval-ignore-output"]
import shutil
import subprocess

if shutil.which("curl"):
    command = ["curl", "-sS", url, "-H", "Content-Type: application/json", "-d", json.dumps(body)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(done.stdout[:300], "...")
else:
    print("curl is not installed: go on")

# %% [markdown] id="nb06-c10"
# ## The same with requests
#
# In Python it is one call. Wait a few seconds: 2048 tokens are drawn one after the other. On the chip it is minutes: 133
# seconds by the planner, 219 in its slow case, neither measured. The server gives an answer 360, and the client waits
# longer, so that you read the server's own words.

# %% id="nb06-c11"
import time

import requests

started = time.perf_counter()
reply = requests.post(url, json=body, timeout=server.endpoint.timeout_s)
seconds = time.perf_counter() - started
print(reply.status_code, reply.reason)

# %% [markdown] id="nb06-c12"
# Here are the texts, the first 500 characters of each. The small stand-in writes what it has read: AWS's API
# documentation.

# %% id="nb06-c13" tags=["nbval-ignore-output"]
import textwrap

outputs = reply.json()["outputs"]
for prompt, text in zip(prompts, outputs, strict=True):
    print(f"[{prompt}]\n{textwrap.fill(text[:500], 100)}\n")

# %% [markdown] id="nb06-c14"
# On the chip, with OPT-13B, the words are better. The **form** is the same. So look at the form.
#
# **Predict, then run.** Both texts have the same number of tokens. How many?

# %% id="nb06-c15" tags=["nbval-ignore-output"]
from inf2lab.measure import tokens_of

tokens = tokens_of(server.needs.model_id, settings.lane)
counts = tokens.count(outputs) if tokens else []
print("tokens:", counts or "not counted: the model's own tokenizer is not on this machine")

# %% [markdown] id="nb06-c16"
# About 2048 each, counted by the tokenizer of the model that spoke. (Text that is cut into tokens again can differ by a
# few, and the one that begins every text is not counted.) `seq_length` is the length of the
# **whole** text, prompt included. The model never stops early: the library does not let OPT draw its end-of-text
# token.
#
# ## Two calls, two texts
#
# Each token is drawn from the 50 most likely ones. Ask twice.

# %% id="nb06-c17"
endpoint = Endpoint(server.url, server.folder.name)
first, second = (endpoint.generate(prompts, seq_length=40)[0] for _ in range(2))
print("same prompt:", first[:20] == second[:20], "- same text:", first == second)

# %% [markdown] id="nb06-c18"
# `Endpoint` is this repository's thin client. `generate` gives you texts or raises. `send` shows you whatever
# comes back, which is what you need now.
#
# ## Wrong on purpose
#
# Six requests that people really send. **Predict** the status of each before you run the cell.

# %% id="nb06-c19"
wrong = {
    "broken JSON": '{"seq_length": 40, "text": [',
    "no seq_length": {"text": prompts},
    "the built-in handler's keys": {"inputs": prompts, "parameters": {"max_new_tokens": 40}},
    "one prompt too many": {"seq_length": 40, "text": [*prompts, "and one"]},
    "text instead of a list": {"seq_length": 40, "text": prompts[0]},
    "empty body": "",
}
for label, bad in wrong.items():
    answer = endpoint.send(bad)
    print(f"{answer.status}  {label:28} {answer.error}")

# %% [markdown] id="nb06-c20"
# All are **424**: your handler raised, and the text is the exception's. `'seq_length'` in quotes is a `KeyError`,
# the shortest message Python has.
#
# One mistake is worse, because it looks like success: `curl -d` without the `-H` option.

# %% id="nb06-c21"
form = endpoint.send(
    json.dumps({"seq_length": 40, "text": ["Hello"]}), content_type="application/x-www-form-urlencoded"
)
print(form.status, form.reason, "- body:", repr(form.text))

# %% [markdown] id="nb06-c22"
# **204, no content.** The server took the body for a form, found no field in it, and called the handler with
# nothing: the warm-up call. Always send the content type.
#
# Two more, which never reach your handler:

# %% id="nb06-c23"
for name in ("opt-13b", "opt13b/9"):
    answer = Endpoint(server.url, name).send(body)
    print(answer.status, name, "-", answer.error)

# %% [markdown] id="nb06-c24"
# The URL needs the **folder's** name, not the model's. A client that raises says the same in one sentence:

# %% id="nb06-c25"
from inf2lab.errors import EndpointError

with expect_failure(EndpointError, about="404"):
    Endpoint(server.url, "opt-13b").generate(prompts, seq_length=40)

# %% [markdown] id="nb06-c26"
# ## The other route
#
# The built-in handler of notebook 03 has other keys. Serve its folder for a minute, and send it **this** notebook's
# body. The cores of the first server are taken until it ends, so the one beside it gets the next Neuron device, with
# cores 2 and 3, and the next port.

# %% id="nb06-c27"
no_code = ModelFolder.named(f"{settings.model_name}_builtin")
if settings.lane == "rehearsal" and settings.stack.worker and no_code.properties_path.exists():
    beside = Server.start(settings.beside(), no_code.path, report=lambda line: None)
    answer = beside.endpoint.send({"seq_length": 40, "text": prompts})
    print(answer.status, answer.error)
    beside.stop()

# %% [markdown] id="nb06-c28"
# It has no `text` and no `seq_length`. Without the key `inputs`, it takes the whole body for the input. The two
# routes never share a request body: the client must know which handler answers.
#
# ## How fast was that?
#
# The next number is about this machine, the small weights and the emulation. It says **nothing** about the chip.

# %% id="nb06-c29" tags=["nbval-ignore-output"]
made = sum(counts) - sum(tokens.count(prompts)) if tokens else 0
rate = f"{made} tokens, {made / seconds:.0f} a second" if made else "tokens not counted"
print(f"{settings.lane} lane: {seconds:.1f} s, {rate}")

# %% [markdown] id="nb06-c30"
# Keep the answer for whoever runs this without looking: `make run` prints it at the end.

# %% id="nb06-c31"
from inf2lab import paths
from inf2lab.weights import standins

record = {"lane": settings.lane, "prompt": prompts, "text": outputs, "seconds": round(seconds, 1)}
record |= {"model": server.needs.model_id}
if settings.lane == "rehearsal":  # on the chip the model speaks for itself
    record |= {"played_by": standins.prepare(server.needs.model_id).played_by}
path = paths.logs() / "answer.json"
path.write_text(json.dumps(record, indent=2) + "\n")
print("kept in", path.name)

# %% [markdown] id="nb06-c32"
# ## Check yourself

# %% id="nb06-c33" tags=["check"]
check("one text for each prompt", len(outputs) == len(prompts), hint="look at reply.text")
check(
    "each text begins with its prompt",
    all(map(str.startswith, outputs, prompts)),
    hint="was the body changed?",
)
check("a wrong body is refused with 424", endpoint.send({}).status == 424, hint="look at `inf2lab logs`")
check("the server still answers", endpoint.ping().ok, hint="inf2lab status")

# %% [markdown] id="nb06-c34"
# **What you have now:** the article's answer, and the meaning of 200, 204, 404 and 424.
#
# **Try it:** ask for `seq_length` 4096. The model was compiled for 2048 positions. Which message do you get?
#
# **Exercise:** [a client that does not give up](exercises/06_call.ipynb)
#
# **Seen on the chip?** A request with as many prompts as the batch has rows gets a text for each (reasoned). [What each rests on](../docs/claims.md)
#
# Next: [07 Measure the endpoint](07_measure.ipynb). The server still runs.
