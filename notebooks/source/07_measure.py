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
# | **You will do** | put load on the server, find its knee, freeze it for two seconds and see who notices, read plan and price of the chip |
# | **You will be able to** | measure a model's latency and throughput so that the numbers can be believed, and say what a million tokens cost |
# | **Before you start** | [06 Call the endpoint](06_call.ipynb); the server still runs |
# | **Time** | 25 minutes to read; 1 minute to run in the rehearsal |
# | **Cost** | nothing in the rehearsal; on the chip the instance's hourly price while the server runs |

# %% [markdown] id="nb07-c02"
# Two questions decide whether a model goes to production. How long does **one** user wait? And how many users can
# be served before all of them wait?
#
# In the rehearsal you learn to measure and to read the curves. The numbers are those of this machine. They say
# **nothing** about the chip, and every table below repeats that. Yours will differ from those you see here.

# %% id="nb07-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
output_tokens: int = 24
port: int = 8080

# %% [markdown] id="nb07-c04"
# A **target** is the endpoint with all that follows from its folder: the request's form, the rows of the compiled
# batch, and the tokenizer that counts what comes back.

# %% id="nb07-c05"
from inf2lab import Server, Settings, check, enter_repository, expect_failure, measure, paths

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
# Prompts come from a file, at lengths drawn from 8 to 16 tokens. The seed decides all of it. So you can send the
# same load again after a change. Here is the first request:

# %% id="nb07-c07"
first = target.requests(seed=0, count=1)[0]
print(*first.prompts, sep="\n")
print("tokens:", first.prompt_tokens)

# %% [markdown] id="nb07-c08"
# Both prompts have the same number of tokens: the rows of one batch are computed together.
#
# ## One client
#
# One client sends, waits for the answer, and sends again. The first request is a warm-up and is not counted.

# %% id="nb07-c09" tags=["nbval-ignore-output"]
alone = measure.run(target, measure.Load(clients=1, requests=8, warm_up=1))
print(measure.table([alone]))

# %% [markdown] id="nb07-c10"
# `p50` is the median: half of the answers came within it. `p99` is what the unlucky ones get.
#
# **Predict, then run.** The columns `first` and `next` say n/a. They are the time to the first token and the time
# between tokens. Why can nobody measure them here?

# %% id="nb07-c11"
counted = alone.as_dict()
print("kind of endpoint:", target.shape.meaning)
print("time to first byte:", counted["timeToFirstByte"])
print("names:", ", ".join(list(counted)[:6]), "...")

# %% [markdown] id="nb07-c12"
# The article's handler answers once, when all tokens are there. A tool that prints a time to the first token for
# such an endpoint has made it up.
#
# The names are those of DJL's own benchmarking tool, `awscurl`, so that you can compare the files.
#
# ## More clients
#
# **Predict, then run.** One worker serves this model. What do two and four clients do to the answers a second, and
# to the median?

# %% id="nb07-c13" tags=["nbval-ignore-output"]
mark = measure.Mark.here(target.metrics)
sweep = measure.sweep(target, measure.Load(requests=6), clients=[1, 2, 4])
print(measure.table(sweep))

# %% [markdown] id="nb07-c14"
# The picture shows it better. Look at the dotted line.

# %% id="nb07-c15" tags=["nbval-ignore-output"]
measure.throughput(sweep)

# %% [markdown] id="nb07-c16"
# The **knee** is the fewest clients that reach nine tenths of the highest throughput. Beyond it, more clients do
# not get more work done. They only wait longer, all of them.
#
# Is that waiting, or is the model slower? The server knows. It writes two times for each request to its metrics
# log, here as on the chip.

# %% id="nb07-c17" tags=["nbval-ignore-output"]
view = mark.view()
print(*(target.metrics / "server_metric.log").read_text().splitlines()[:3], sep="\n")
print(f"\nwaiting for the worker: p50 {view.queue.at(0.5):.0f} ms, longest {view.queue.at(1):.0f} ms")
print(f"the model itself:       p50 {view.model.at(0.5):.0f} ms")

# %% [markdown] id="nb07-c18"
# The first lines of the log are above: times in microseconds since the request came in. (That one asked for 2048
# tokens, in notebook 06.) What `ModelLatency` has beyond `QueueTime` is the model. It takes about what it always
# takes; the rest is the queue.
#
# ## What does help: a larger batch
#
# Rows of one batch share each reading of the weights. Serve the same folder with a batch of one and of two, on the
# Neuron device after your server's, and compare the tokens a second. (On the chip each batch is compiled for minutes,
# so there this cell only says so.)
#
# How much you gain here depends on your processor. On the chip reading the weights is most of the work, so a second
# row costs almost no time.

# %% id="nb07-c19" tags=["nbval-ignore-output"]
import dataclasses

if settings.lane == "rehearsal":
    batches = measure.sweep_batches(
        settings.beside(), server.folder, [1, 2], measure.Load(requests=6), output_tokens=output_tokens
    )
    print(measure.table(batches))
else:
    print("each batch size is compiled anew: start those servers yourself, and measure each")

# %% [markdown] id="nb07-c20"
# ## The stall that a closed loop hides
#
# Real servers stand still at times. Freeze this one for two seconds in the middle of a load. First with one client
# that waits for its answers. Then with an **open loop**: five requests arrive each second, whatever the server does.
#
# **Predict, then run.** In which of the two does the 90th percentile show the stall?


# %% id="nb07-c21"
def with_a_stall(load):
    """The load, and the server frozen for two seconds in it; answers are short, so that the rate can be kept."""
    short = dataclasses.replace(target, output_tokens=4)
    if settings.lane != "rehearsal":
        return measure.run(short, load)  # there: docker pause, two seconds, docker unpause
    with measure.freezing(server, after_s=1, for_s=2):
        return measure.run(short, load)


closed = with_a_stall(measure.Load(clients=1, seconds=6))
by_the_clock = with_a_stall(measure.Load(rate=5, seconds=6, arrivals="even"))
for name, load in {"closed loop": closed, "open loop": by_the_clock}.items():
    print(f"{name}: p90 above one second: {load.latency.at(0.9) > 1000}")

# %% [markdown] id="nb07-c22"
# The closed loop sent **one** request into the stall. It politely waited, so all its other answers look fine. In the
# open loop ten requests came meanwhile, as real users would. Each counts from the moment it was **due**.
#
# This mistake has a name, *coordinated omission*. Ask it of every benchmark you read: did the client wait?

# %% id="nb07-c23" tags=["nbval-ignore-output"]
measure.latencies([closed, by_the_clock])

# %% [markdown] id="nb07-c24"
# ## And the chip?
#
# Nothing above may stand beside the chip's numbers. What can be said about the chip without one: the planner's
# range for your folder, and the rows that AWS published for this model.

# %% id="nb07-c25"
planned = measure.plan_of(server)
measure.chip_rates(planned)

# %% [markdown] id="nb07-c26"
# Look at the two groups of published rows: batch 1, and batch 256 at short texts. More than fifty times the tokens
# come from sharing the weights. At degree 2 the memory ends at batch 2, so you see only two points of the plan.
#
# **Predict, then run.** What does a million output tokens cost at batch 1, and at batch 2?

# %% id="nb07-c27"
for each in measure.fitting(planned):
    price = each.service.usd_per_million_tokens
    print(f"batch {each.request.batch_size}: ${price.low:.0f} to ${price.high:.0f}, likely ${price.mid:.0f}")
print(
    f"all {len(planned.copies)} copies busy, ${planned.service.usd_per_hour} an hour {planned.service.price.name}"
)

# %% [markdown] id="nb07-c28"
# The range is wide on purpose: no row was published for this degree. On the instance, your own measurement takes
# its place in the figure.
#
# There you also see how busy the cores are. `neuron-monitor` prints a document each second; `measure.watching()`
# collects them during a load. Here is one that was recorded on an inf2.xlarge, and what happens without the chip:

# %% id="nb07-c29"
(moment,) = measure.read_monitor(measure.recorded()).moments
for core, used in moment.utilisation.items():
    print(f"recorded: core {core} busy {used:.0f} % of the time")
print(f"recorded: {moment.device_bytes / 1e6:.0f} MB of device memory, {moment.completed} executions")
if settings.lane == "rehearsal":
    with expect_failure(measure.MeasureError, about="neuron-monitor"), measure.watching():
        pass

# %% [markdown] id="nb07-c30"
# ## Keep it
#
# One page holds the tables, the figures and the seed. It needs no network: send it to whoever pays.

# %% id="nb07-c31"
for path in measure.write_report(paths.logs() / "load.html", sweep, plan=planned, server=view):
    print("wrote", path.name)

# %% [markdown] id="nb07-c32"
# In a terminal the same is one line: `inf2lab load --clients 1,2,4 --report logs/load.html`. With `--url` it measures
# any endpoint, an OpenAI-style one too. `--aiperf` prints the command for NVIDIA's tool instead.
#
# ## Check yourself

# %% id="nb07-c33" tags=["check"]
check(
    "every request was answered",
    not any(load.errors for load in [alone, *sweep]),
    hint="look at `inf2lab logs`",
)
check(
    "each answer has the tokens that were asked for",
    alone.output_tokens
    >= 0.9 * 8 * target.rows * output_tokens,  # text cut into tokens again can differ by a few
    hint="is the tokenizer the model's own?",
)
check(
    "four clients wait longer than one",
    sweep[-1].latency.at(0.5) > 1.5 * sweep[0].latency.at(0.5) or settings.lane != "rehearsal",
    hint="were other programs busy? run the sweep again",
)
check(
    "the same seed sends the same", target.requests(0, 1) == [first], hint="was the file of prompts changed?"
)

# %% [markdown] id="nb07-c34"
# **What you have now:** a load you can repeat, the knee, the server's own view, and a price with its range.
#
# **Try it:** run the open loop at `rate=50`. The server cannot keep up. What happens to the latencies the longer you
# let it run, and why is there no percentile you could quote?
#
# **Exercise:** [read a measurement](exercises/07_measure.ipynb)
#
# Next: [08 Break it](08_break_it.ipynb). The server still runs.
