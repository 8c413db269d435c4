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

# %% [markdown] id="nb07-c01"
# # Measure the endpoint
#
# | | |
# |---|---|
# | **You will do** | put load on the server, find how many clients it can serve, freeze it for two seconds and see who notices, read plan and price of the chip |
# | **You will be able to** | measure latency and throughput so that the numbers can be believed, and say what a million tokens cost |
# | **Before you start** | [06 Call the endpoint](06_call.ipynb); the server of 05 still runs |
# | **Time** | 25 minutes to read; 1 minute to run in the rehearsal |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price while the server runs |

# %% [markdown] id="nb07-c02"
# Two questions decide whether a model goes to production. How long does **one** user wait? How many users can be served
# before all of them wait?
#
# In the rehearsal you learn to measure, and to read the curves. The numbers are those of this machine. They say
# **nothing** about the chip, and every table repeats that. Your numbers will differ from those below.

# %% id="nb07-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
output_tokens: int = 24
port: int = 8080

# %% [markdown] id="nb07-c04"
# A **target** is the endpoint with all that follows from its folder: the form of the request, the rows of the compiled
# batch, and the tokenizer that counts what comes back.

# %% id="nb07-c05"
from inf2lab import Server, Settings, check, enter_repository, expect_failure, measure, paths, reveal

enter_repository()
settings = Settings.from_notebook(globals(), also=["output_tokens"])
server = Server.running(settings)
target = measure.Target.of(server, output_tokens=output_tokens, lengths="8-16")
print(
    f"{target.model}: kind {target.kind}, {target.rows} prompts a request, {output_tokens} tokens each to write"
)

# %% [markdown] id="nb07-c06"
# ## What is sent
#
# Prompts come from a file, with 8 to 16 tokens each. A seed decides which ones. So you can send the same load again
# after a change. Here is the first request:

# %% id="nb07-c07"
first = target.requests(seed=0, count=1)[0]
print(*first.prompts, sep="\n")
print("tokens:", first.prompt_tokens)

# %% [markdown] id="nb07-c08"
# Both prompts were cut to the same number of tokens, even within a word: the rows of one batch are computed together.
#
# ## One client
#
# One client sends a request, waits for the answer, and sends the next. The first request is a warm-up and is not counted.

# %% id="nb07-c09" tags=["nbval-ignore-output"]
alone = measure.run(target, measure.Load(clients=1, requests=8, warm_up=1))
print(measure.table([alone]))

# %% [markdown] id="nb07-c10"
# `p50` is the median: half of the answers came within that time. `p90` is the time within which nine of ten came, and
# `p99` the one for 99 of a hundred. Here each [percentile](../docs/glossary.md#percentile) is one of the measured times:
# the smallest one that is enough.
#
# `first` and `next` are the times to the first token (TTFT) and between tokens (ITL). They say n/a, because the article's handler
# answers once, when all tokens are there. A tool that prints them for such an endpoint has invented them.
#
# **Predict.** Sort the eight times. Which of them is the p99?

# %% id="nb07-c11" tags=["predict"]
answer = ...  # its place: 1 is the fastest, 8 the slowest

# %% id="nb07-c12"
import math

reveal(
    answer,
    math.ceil(0.99 * 8),
    why="It is the slowest one, and so is the p90. One slow request decides it. The table says 'few' instead.",
)

# %% [markdown] id="nb07-c13"
# A p90 needs ten requests and a p99 a hundred. With fewer, it is only the slowest request. To trust them, take ten times
# as many.
#
# ## More clients, one worker
#
# One [worker](../docs/glossary.md#worker) serves this model. It works on one request at a time.
#
# **Predict.** Four clients send at once. How many times as many answers a second do they get as one client?

# %% id="nb07-c14" tags=["predict"]
answer = ...  # a factor: 4 means four times as many

# %% id="nb07-c15" tags=["nbval-ignore-output"]
mark = measure.Mark.here(target.metrics)
sweep = measure.sweep(target, measure.Load(requests=6), clients=[1, 2, 4])
factor = sweep[-1].requests_per_s / sweep[0].requests_per_s
reveal(answer, round(factor, 1), measure.table(sweep), within=0.4)

# %% [markdown] id="nb07-c16"
# About as many: the worker was never idle. Each answer takes longer. Is that waiting, or is the model slower? The server
# knows. It writes two times for each request to its metrics log, here as on the chip. They are microseconds since the
# request came in. `ModelLatency` minus `QueueTime` is the model. (The last three lines are shown; `QueueTime` may stand
# before them.)

# %% id="nb07-c17" tags=["nbval-ignore-output"]
view = mark.view()
print(*(target.metrics / "server_metric.log").read_text().splitlines()[-3:], sep="\n")
print(f"\nwaiting for the worker: p50 {view.queue.at(0.5):.0f} ms, longest {view.queue.at(1):.0f} ms")
print(f"the model itself:       p50 {view.model.at(0.5):.0f} ms")

# %% [markdown] id="nb07-c18"
# The model takes about the same time as before. The rest is the queue.
#
# ## Two workers: now there is a knee
#
# With one worker, one client is enough to keep it busy. To see more, serve **two workers**. Two copies of a model would
# share this machine's processor, and two copies on the chip do not. So this folder gets a handler that only sleeps, as if
# a chip of its own worked for 200 milliseconds.

# %% id="nb07-c19"
from inf2lab import ModelFolder, write_properties

light = ModelFolder.named("two_workers")
_ = write_properties(light.properties_path, {"engine": "Python"})

# %% [markdown] id="nb07-c20"
# Its handler:

# %% id="nb07-c21"
# %%writefile models/two_workers/model.py
# import time
#
# from djl_python import Input, Output
#
#
# def handle(inputs: Input):
#     if inputs.is_empty():
#         return None
#     text = inputs.get_as_json()["text"]
#     time.sleep(0.2)
#     return Output().add_as_json({"outputs": text})

# %% [markdown] id="nb07-c22"
# It gets the next port and an emulated machine of its own, in either lane. `copies=2` starts two workers.
#
# **Predict.** The [knee](../docs/glossary.md#knee) is the fewest clients that reach nine tenths of the highest
# throughput. With two workers, how many clients are that?

# %% id="nb07-c23" tags=["predict"]
answer = ...  # a number of clients

# %% id="nb07-c24" tags=["nbval-ignore-output"]
import dataclasses
import shutil

played = dataclasses.replace(settings, lane="rehearsal", machine="knee", port=port + 1, copies=2)
sleeper = Server.start(played, light.path, report=lambda line: None)
busy = measure.Target(url=sleeper.endpoint.url, lane="rehearsal")
steps = measure.sweep(busy, measure.Load(requests=5), clients=[1, 2, 4, 8])
sleeper.stop()
shutil.rmtree(light.path)
reveal(answer, played.copies, measure.table(steps), measure.throughput(steps))

# %% [markdown] id="nb07-c25"
# One client for each worker. (A busy machine may show it at more clients.) Up to the knee, each new client finds a free
# worker: more work is done, and nobody waits longer. Beyond it, all workers
# are busy: the work stays the same, and each new client makes all of them wait longer.
#
# A rule holds on both sides. It is called Little's law: **clients = answers a second × seconds an answer**. In a short load
# the product is a little smaller: at its start nobody waits yet, and at its end some clients have nothing left to send.

# %% id="nb07-c26" tags=["nbval-ignore-output"]
for step in steps:
    product = step.requests_per_s * step.latency.mean / 1000
    print(
        f"{step.load.title:9}  {step.requests_per_s:5.1f} × {step.latency.mean / 1000:.3f} s = {product:.1f}"
    )

# %% [markdown] id="nb07-c27"
# ## What does help: a larger batch
#
# The rows of one batch share each reading of the weights. There are three ways to fill the rows:
#
# ![Four requests on one clock. One after the other, all are answered after 21 steps. When the server collects two requests into a batch, both wait for the longer one, and all are answered after 15 steps. With a rolling batch a row is free as soon as its text ends, and all are answered after 12 steps.](../docs/pictures/batches.svg)
#
# The article's handler is a case of the second way: one request brings all rows. From DJLServing 0.24 on the built-in
# handler knows the third way (`option.rolling_batch=auto`), which vLLM calls continuous batching. A model.py like yours
# does not. The number of rows stays fixed in all three.
#
# Serve the same folder with a batch of one and of two, and compare the tokens a second. (On the chip each batch is
# compiled for minutes, so there this cell only says so.)

# %% id="nb07-c28" tags=["nbval-ignore-output"]
if settings.lane == "rehearsal":
    batches = measure.sweep_batches(
        server.beside(), server.folder, [1, 2], measure.Load(requests=6), output_tokens=output_tokens
    )
    print(measure.table(batches))
else:
    print("each batch size is compiled anew: start those servers yourself, and measure each")

# %% [markdown] id="nb07-c29"
# How much you gain here depends on your processor. On the chip, by the planner, a second row costs almost no time: the
# weights are read once for both.
#
# ## The stall that a closed loop hides
#
# Real servers stop for a moment at times. Freeze this one for two seconds in the middle of a load, twice:
#
# - **closed loop, 1 client**: it waits for each answer before it sends again;
# - **open loop, 5 requests/s**: five requests arrive each second, whatever the server does.


# %% id="nb07-c30"
def with_a_stall(load):
    """The load, and the server frozen for two seconds in it; answers are short, so that the rate can be kept."""
    short = dataclasses.replace(target, output_tokens=4)
    if settings.lane != "rehearsal":
        return measure.run(short, load)  # there: docker pause, two seconds, docker unpause
    with measure.freezing(server, after_s=1, for_s=2):
        return measure.run(short, load)


# %% [markdown] id="nb07-c31"
# **Predict.** In which of the two loops is the p90 above one second?

# %% id="nb07-c32" tags=["predict"]
answer = ...  # a set, for example {"open", "closed"}

# %% id="nb07-c33" tags=["nbval-ignore-output"]
closed_loop = with_a_stall(measure.Load(clients=1, seconds=6))
open_loop = with_a_stall(measure.Load(rate=5, seconds=6, arrivals="even"))
loops = {"closed": closed_loop, "open": open_loop}
slow = {name for name, load in loops.items() if load.latency.at(0.9) > 1000}
reveal(answer, slow, measure.latencies([closed_loop, open_loop]))

# %% [markdown] id="nb07-c34"
# Only in the open loop: ten of its thirty requests arrived while the server stood still. The one client of the closed loop
# waited, and sent one request into the stall. All its other answers look fine. Real users do not wait for each other. So in
# the open loop each request counts from the moment it was **due**.
#
# This mistake has a name: *coordinated omission*. Ask this about every benchmark that you read: did the client wait?
#
# ## And the chip?
#
# Do not compare the times above with the chip's. Without a chip there are two sources: the planner's range for your
# folder, and the rows that AWS published for this model.

# %% id="nb07-c35"
planned = measure.plan_of(server)
measure.chip_rates(planned)

# %% [markdown] id="nb07-c36"
# *Blue, left: the plan for your folder, degree 2, at batch 1 and 2. Batch 4 does not fit two cores, so the plan ends
# there. Black marks: AWS's rows, degree 8, at batch 1 and at batch 256 with short texts. Between them nobody published a
# row.* From batch 1 to 256 AWS's tokens a second grow more than fifty times: the rows share the weights.
#
# **Predict.** The instance costs $12.98 an hour. Its 12 copies write about 28 tokens a second each, at batch 2, when half of
# each text is prompt. What do a million tokens cost, if all copies are busy?

# %% id="nb07-c37" tags=["predict"]
answer = ...  # US dollars

# %% id="nb07-c38"
copies, lines = len(planned.copies), []
for each in measure.fitting(planned):
    price = each.service.usd_per_million_tokens
    lines.append(
        f"batch {each.request.batch_size}, {copies} copies busy: "
        f"${price.low:.0f} to ${price.high:.0f}, likely ${price.mid:.0f}; "
        f"one copy, {copies - 1} idle: likely ${price.mid * copies:.0f}"
    )
reveal(answer, round(price.mid), "\n".join(lines), why="12.98 / 3600 / (12 × 28) × a million.", within=0.1)

# %% [markdown] id="nb07-c39"
# The command of notebook 05 starts **one** copy. So it pays for eleven idle chips, and the second price is the one of that
# deployment. Start more copies, or rent a smaller instance. The range is wide on purpose: no row was published for this
# degree.
#
# On the instance you also see how busy the cores are. `neuron-monitor` prints a document each second, and
# `measure.watching()` collects them during a load. Here is one from an inf2.xlarge, whose
# program ran on core 0 only, and what happens without the chip:

# %% id="nb07-c40"
(moment,) = measure.read_monitor(measure.recorded()).moments
for core, used in moment.utilisation.items():
    print(f"recorded: core {core} busy {used:.0f} % of the time")
print(f"recorded: {moment.device_bytes / 1e6:.0f} MB of device memory, {moment.completed} executions")
if settings.lane == "rehearsal":
    with expect_failure(measure.MeasureError, about="neuron-monitor"), measure.watching():
        pass

# %% [markdown] id="nb07-c41"
# ## Keep it
#
# One page holds the tables, the figures and the seed. It needs no network: send it to whoever pays.

# %% id="nb07-c42"
for path in measure.write_report(paths.logs() / "load.html", sweep, plan=planned, server=view):
    print("wrote", path.name)

# %% [markdown] id="nb07-c43"
# In a terminal the same is one line: `inf2lab load --clients 1,2,4 --report logs/load.html`. With `--url` it measures
# any endpoint, an OpenAI-style one too. Its JSON has the names of DJL's own tool, `awscurl`, so that you can compare.
# `--aiperf` prints the command for NVIDIA's tool.
#
# ## Check yourself

# %% id="nb07-c44" tags=["check"]
check(
    "every request was answered",
    not any(load.errors for load in [alone, *sweep, *steps]),
    hint="look at `inf2lab logs`",
)
check(
    "each answer has the tokens that were asked for",
    alone.output_tokens
    >= 0.9 * 8 * target.rows * output_tokens,  # text cut into tokens again can differ by a few
    hint="is the tokenizer the model's own?",
)
check(
    "Little's law finds the clients again",
    all(abs(s.requests_per_s * s.latency.mean / 1000 / s.load.clients - 1) < 0.25 for s in steps),
    hint="give each client more requests: at the end of a load, clients have nothing left to send",
)
check(
    "the same seed sends the same", target.requests(0, 1) == [first], hint="was the file of prompts changed?"
)

# %% [markdown] id="nb07-c45"
# **What you have now:** a load that you can repeat, a knee and its reason, the server's own view, and a price with its
# range.
#
# **On the chip:** the same commands. Replace the plan's range by your own measurement.
#
# **Try it:** run the open loop at `rate=50` with the long answers of `target`. What happens to the latencies the longer it
# runs? Which percentile can you report?
#
# <details><summary>Answer</summary>
#
# More requests arrive than the server can answer, so the queue grows as long as the load runs. Each answer takes longer
# than the one before it. No percentile can be reported: let it run twice as long, and each of them doubles. Report the
# highest rate at which the latencies stay the same.
#
# </details>
#
# **Exercise:** [read a measurement](exercises/07_measure.ipynb)
#
# **Further reading:** [awscurl, DJL's benchmarking tool](https://github.com/deepjavalibrary/djl-serving/tree/master/awscurl),
# [neuron-monitor](https://awsdocs-neuron.readthedocs-hosted.com/en/latest/tools/neuron-sys-tools/neuron-monitor-user-guide.html),
# [Orca: rolling batches, 2022](https://www.usenix.org/conference/osdi22/presentation/yu)
#
# Next: [08 Break it](08_break_it.ipynb). The server still runs.
