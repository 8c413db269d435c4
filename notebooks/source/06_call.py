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
# | **Time** | 18 minutes to read; 1 minute to run in the rehearsal |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price while the server runs |

# %% [markdown] id="nb06-c02"
# A model behind DJLServing is one URL. You POST a body, and the handler's answer comes back. No client library is needed.

# %% id="nb06-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
seq_length: int = 2048
port: int = 8080

# %% [markdown] id="nb06-c04"
# `Server.running` finds the server of notebook 05 by its state file.

# %% id="nb06-c05"
import json

from inf2lab import (
    Endpoint,
    ModelFolder,
    Server,
    Settings,
    check,
    enter_repository,
    paths,
    reveal,
    write_properties,
)

enter_repository()
settings = Settings.from_notebook(globals(), also=["seq_length"])
server = Server.running(settings)
rows = int(server.folder.option("batch_size", "1"))
positions = server.folder.option("n_positions", "2048")
print(f"found {server.folder.name}, compiled for {rows} rows of {positions} positions")

# %% [markdown] id="nb06-c06"
# ## The article's request, with curl
#
# The article sends two prompts. Begin with a short length: 64 tokens. The body goes into a file.

# %% id="nb06-c07"
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
prompts = (prompts * rows)[:rows]
url, request = server.endpoint.url, paths.logs() / "request.json"
request.write_text(json.dumps({"seq_length": 64, "text": prompts}, indent=1))
print(url, request.read_text(), sep="\n")

# %% [markdown] id="nb06-c08"
# Run curl as you would type it; `$1` is the URL and `$2` the file. `%%bash` and `--fail` let the cell fail when the request
# fails. (With `!curl` you do not see that a command failed.)

# %% id="nb06-c09" tags=["nbval-ignore-output"]
# %%bash -s "{url}" "{request}"
# command -v curl >/dev/null || { echo "curl is not installed here: go on with Python"; exit 0; }
# set -o pipefail
# curl -sS --fail -X POST "$1" -H 'Content-Type: application/json' -d @"$2" | fold -s -w 100

# %% [markdown] id="nb06-c10"
# ## The article's length, with requests
#
# In Python it is one call. 2048 tokens are drawn one after the other: seconds here, minutes on the chip. The planner says
# 133 seconds there (65 ms a token), and 219 in its slow case; nobody has measured it. The server allows 360 seconds, and
# this client waits longer, so that you read the server's own words.

# %% id="nb06-c11"
import time

import requests

body = {"seq_length": seq_length, "text": prompts}
started = time.perf_counter()
reply = requests.post(url, json=body, timeout=server.endpoint.timeout_s)
seconds = time.perf_counter() - started
print(reply.status_code, reply.reason)

# %% [markdown] id="nb06-c12"
# The first 250 characters of each text. The small stand-in writes what it has read: AWS's API documentation.

# %% id="nb06-c13" tags=["nbval-ignore-output"]
import textwrap

outputs = reply.json()["outputs"]
for prompt, text in zip(prompts, outputs, strict=True):
    print(f"[{prompt}]\n{textwrap.fill(text[:250], 100)}\n")

# %% [markdown] id="nb06-c14"
# On the chip, OPT-13B finds better words. The **form** is the same. Count the tokens: `seq_length` is the length of the
# whole text, prompt included.

# %% id="nb06-c15" tags=["nbval-ignore-output"]
from inf2lab.measure import tokens_of

tokens = tokens_of(server.needs.model_id, settings.lane)
counts = tokens.count(outputs) if tokens else []
print("tokens:", counts or "not counted: the model's own tokenizer is not on this machine")

# %% [markdown] id="nb06-c16"
# (A text that is cut into tokens again can differ by a few.) The model never stops early: the library does not let OPT draw
# its end-of-text token.
#
# ## Two calls, two texts
#
# Each token is drawn from the 50 most likely ones. Ask twice.

# %% id="nb06-c17"
endpoint = Endpoint(server.url, server.folder.name)
first, second = (endpoint.generate(prompts, seq_length=40)[0] for _ in range(2))
print("same prompt:", first[:20] == second[:20], "- same text:", first == second)

# %% [markdown] id="nb06-c18"
# `Endpoint` is this repository's thin client. `generate` returns texts or raises an error. `send` shows whatever comes
# back. You need that now.
#
# ## Wrong on purpose
#
# People really send these five bodies.
#
# **Predict.** Your handler sees all of them. Which status do they get?

# %% id="nb06-c19" tags=["predict"]
answer = ...  # a number of three digits

# %% id="nb06-c20"
wrong = {
    "broken JSON": '{"seq_length": 40, "text": [',
    "no seq_length": {"text": prompts},
    "the built-in handler's keys": {"inputs": prompts, "parameters": {"max_new_tokens": 40}},
    "one prompt too many": {"seq_length": 40, "text": [*prompts, "and one"]},
    "text instead of a list": {"seq_length": 40, "text": prompts[0]},
}
answers = {label: endpoint.send(bad) for label, bad in wrong.items()}
lines = [f"{one.status}  {label:28} {one.error}" for label, one in answers.items()]
reveal(
    answer,
    min(one.status for one in answers.values()),
    *lines,
    why="The handler raised an error; its text is the body's.",
)

# %% [markdown] id="nb06-c21"
# `'seq_length'` in quotes is a `KeyError`: Python's message is only the missing key.
#
# One mistake is worse, because it looks like success: `curl -d` without `-H`.

# %% id="nb06-c22"
text = json.dumps({"seq_length": 40, "text": prompts})
form = endpoint.send(text, content_type="application/x-www-form-urlencoded")
print(form.status, form.reason, "- body:", repr(form.text))

# %% [markdown] id="nb06-c23"
# **204, no content.** The server took the body for a form, found no field, and called the handler with nothing: the
# warm-up call. Always send the content type.
#
# Three requests never reach your handler: a prompt of 5,000 letters in the URL, a body of more than 64 MiB, and a wrong
# model name.
#
# **Predict.** Which status does each get?

# %% id="nb06-c24" tags=["predict"]
answer = {"long URL": ..., "large body": ..., "wrong name": ...}  # a number of three digits for each

# %% id="nb06-c25"
refused = {
    "long URL": requests.post(url, params={"text": "a" * 5000}, timeout=60),
    "large body": requests.post(url, data=b" " * (64 * 2**20 + 1), timeout=60),
    "wrong name": requests.post(f"{server.url}/predictions/opt-13b", json=body, timeout=60),
}
found = {label: one.status_code for label, one in refused.items()}
lines = [f"{one.status_code}  {label:12} {one.text.strip() or one.reason}" for label, one in refused.items()]
reveal(answer, found, *lines, why="The URL needs the folder's name, opt13b, not the model's.")

# %% [markdown] id="nb06-c26"
# ## You may stop here
#
# The short path goes on with [08 Break it](08_break_it.ipynb), up to its heading of the same name. Or stay: other keys, a
# full queue, and the speed.
#
# ## The other route, and a full queue
#
# The built-in handler of notebook 03 has other keys. Serve a copy of its folder for a minute, with
# `job_queue_size=1`: one request runs, and none may wait. (Unless you say so, 1000 may wait.) The server gets the next port
# and the next Neuron device. First send it **this** notebook's body.

# %% id="nb06-c27"
no_code, busy = (ModelFolder.named(f"{settings.model_name}_{end}") for end in ("builtin", "busy"))
beside = None
if settings.lane == "rehearsal" and settings.stack.worker and no_code.properties_path.exists():
    busy.path.mkdir(exist_ok=True)
    write_properties(busy.properties_path, no_code.properties() | {"job_queue_size": 1})
    beside = Server.start(server.beside(), busy.path, report=lambda line: None)
    other = beside.endpoint.send({"seq_length": 40, "text": prompts})
    print(other.status, other.error)

# %% [markdown] id="nb06-c28"
# It looks for `inputs`, finds none, and takes the whole body for the input. The client must know which handler answers.
#
# **Predict.** Now eight clients ask it at once, with the right keys. Which status does a client get when the queue is full?

# %% id="nb06-c29" tags=["predict"]
answer = ...  # a number of three digits

# %% id="nb06-c30"
from concurrent.futures import ThreadPoolExecutor

statuses, asked = [], [{"inputs": prompts, "parameters": {"max_new_tokens": 100}}] * 8
while beside and 503 not in statuses and len(statuses) < 80:
    with ThreadPoolExecutor(8) as pool:
        statuses += [one.status for one in pool.map(beside.endpoint.send, asked)]
reveal(answer, max(statuses, default=503), why="503 means later: wait, and ask again (the exercise).")

# %% [markdown] id="nb06-c31"
# 503 is the only error that a client should answer by asking again. But read its text: on 0.25 a request that met the
# server's time-out gets 503, too. Sent again, it would meet it again.
#
# ## How fast was that?
#
# Stop that server. The next number is about this machine, the small weights and the emulation. It says **nothing** about the chip.

# %% id="nb06-c32" tags=["nbval-ignore-output"]
import shutil

if beside:
    beside.stop()
    shutil.rmtree(busy.path)
made = sum(counts) - sum(tokens.count(prompts)) if tokens else 0
rate = f"{made} tokens, {made / seconds:.0f} a second" if made else "tokens not counted"
print(f"{settings.lane} lane: {seconds:.1f} s, {rate}")

# %% [markdown] id="nb06-c33"
# ![A request of 2048 tokens on the chip, by the planner. Answered whole, the user sees nothing for 133 seconds and then all tokens. Streamed, the user reads from the first token on, and the last one comes after 133 seconds, too.](../docs/pictures/streaming.svg)
#
# The user of our `model.py` waits for the whole text. It has **no streaming and no chat**. The built-in handler has
# `option.enable_streaming` from 0.22.1 on. Chat requests came with DJLServing 0.27. The servers of
# [notebook 10](10_where_next.ipynb) have both.
#
# Keep the answer: `make run` prints it at the end.

# %% id="nb06-c34"
from inf2lab.weights import standins

record = {"lane": settings.lane, "prompt": prompts, "text": outputs, "seconds": round(seconds, 1)}
record |= {"model": server.needs.model_id}
if settings.lane == "rehearsal":  # on the chip the model speaks for itself
    record |= {"played_by": standins.prepare(server.needs.model_id).played_by}
path = paths.logs() / "answer.json"
path.write_text(json.dumps(record, indent=2) + "\n")
print("kept in", path.name)

# %% [markdown] id="nb06-c35"
# ## Check yourself

# %% id="nb06-c36" tags=["check"]
check("one text for each prompt", len(outputs) == len(prompts), hint="look at reply.text")
begin = all(map(str.startswith, outputs, prompts))
check("each text begins with its prompt", begin, hint="was the body changed?")
check("a wrong body is refused with 424", endpoint.send({}).status == 424, hint="look at `inf2lab logs`")
check(
    "a form is answered with 204 and nothing else",
    (form.status, form.text) == (204, ""),
    hint="run its cell again",
)
check("the server still answers", server.status().state == "ready", hint="inf2lab status")

# %% [markdown] id="nb06-c37"
# **What you have now:** the article's answer, and the meaning of 200, 204, 400, 404, 413, 424 and 503.
#
# **On the chip:** the same cells with `lane = "inf2"`. The second server stays in the rehearsal.
#
# **Try it:** ask for `seq_length` 4096. The model has 2048 positions. Which message do you get?
#
# <details><summary>Answer</summary>
#
# 424 and *index out of range in self*. These are PyTorch's words: OPT has a table with a row for each position, and
# there is no row 2049. All tokens before it were computed, and are lost.
#
# </details>
#
# **Exercise:** [a client that does not give up too early](exercises/06_call.ipynb)
#
# **Seen on the chip?** A request with as many prompts as the batch has rows gets a text for each (reasoned). [What each rests on](../docs/claims.md)
#
# **Further reading:** [DJLServing's inference API](https://docs.djl.ai/master/docs/serving/serving/docs/inference_api.html) ·
# [requests, quickstart](https://requests.readthedocs.io/en/latest/user/quickstart/) ·
# [HTTP status codes](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Status)
#
# Next: [07 Measure the endpoint](07_measure.ipynb), or [08 Break it](08_break_it.ipynb) on the short path. The server still
# runs.
