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

# %% [markdown] id="nb02-c01"
# # Plan how the model is split
#
# | | |
# |---|---|
# | **You will do** | apply the article's three rules by hand, find out where they are wrong, let the planner answer the rest |
# | **You will be able to** | say before you pay which degree is legal, what fits, how fast it may be, and what it costs |
# | **Before you start** | [00 Start here](00_start_here.ipynb) named the parts. Nothing has to run. |
# | **Time** | 28 minutes to read and guess, seconds to run |
# | **Cost** | nothing in either lane |

# %% [markdown] id="nb02-c02"
# OPT-13B does not fit into the memory of one NeuronCore. So its matrices are cut into
# slices, and several cores work on each layer together. That is **tensor parallelism**. The number of cores that share one
# copy of the model is the
# tensor parallel degree.
#
# You choose it once, in a file. A wrong choice shows only after a load: 7 to 55 minutes by the planner's bounds (nobody has
# published it), or 7 to 47 with the fast disk of notebook 01.

# %% id="nb02-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_id: str = "facebook/opt-13b"
tensor_parallel_degree: int = 2
batch_size: int = 2
n_positions: int = 2048
dtype: str = "f16"

# %% [markdown] id="nb02-c04"
# `n_positions` is the longest text in tokens, prompt and answer together. `dtype` is the number format: `f16` takes two bytes.
# The sections below use the article's model, OPT-13B. The planner at the end takes **your** parameters.

# %% id="nb02-c05"
from inf2lab import Settings, article_rules, check, enter_repository, expect_failure, plan, reveal

enter_repository()
settings = Settings.from_notebook(globals())
article = Settings()
model, hardware = article.model, article.hardware
print(f"{article.model_id}: {model.layers} layers, hidden size {model.hidden}, {model.heads} heads")
print(f"{article.instance}: {hardware.chips} chips, {hardware.cores} NeuronCores, {hardware.device_gib} GiB")

# %% [markdown] id="nb02-c06"
# ## Rule 1: the degree divides the attention heads
#
# The model is a stack of layers. Inside it each token is a row of 5120 numbers: the *hidden size*. The 384 GiB are 16 for each of
# the 24 cores.
#
# Each layer has several attention heads. A core gets whole heads, never half a head.
#
# **Predict.** OPT-13B has 40 heads. Which of 1, 2, 4, 8, 12 and 24 divide 40?

# %% id="nb02-c07" tags=["predict"]
answer = ...  # a set of degrees, such as {1, 2}

# %% id="nb02-c08"
degrees = (1, 2, 4, 8, 12, 24)
shares = [
    f"degree {one:2}: {model.heads // one:2} heads a core, {model.heads % one:2} left over" for one in degrees
]
dividing = {one for one in degrees if model.heads % one == 0}
reveal(answer, dividing, "\n".join(shares), why="Degree 24 is the whole instance. It leaves 16 heads over.")

# %% [markdown] id="nb02-c09"
# The article's library refuses degree 24. Later ones **pad**: they add heads of zeros, until every core has the same number.
# You pay memory and time for the zeros.
#
# ![40 attention heads as squares. At degree 2 each of 2 cores has 20 heads. At degree 8 each of 8 cores has 5. At degree 24 each of 24 cores has 2: 40 heads and 8 that hold only zeros.](../docs/pictures/heads.svg)
#
# ## Rule 2: weights and cache fit into 16 GB a core
#
# Count by hand, once. First the **weights**. A layer has two parts:
#
# - attention (a token looks at the earlier ones): four matrices of hidden x hidden, for query, key, value and output
# - feed-forward: one matrix from hidden to a wider size (4 x hidden in OPT), and one back
#
# So a layer has 4 + 2 x 4 = **12 times hidden²** numbers. The embedding (tokens to numbers) and the output (numbers to tokens)
# share one more matrix.

# %% id="nb02-c10"
hidden, wide = model.hidden, model.ffn
attention, feed_forward = 4 * hidden * hidden, 2 * hidden * wide
print(f"feed-forward: {wide} = {wide // hidden} x hidden")
print(f"a layer: {(attention + feed_forward) / hidden**2:.0f} x hidden²")
layers, embedding = model.layers * (attention + feed_forward), model.vocab * hidden
weights_gb = (layers + embedding) * 2 / 1e9
print(f"{layers / 1e9:.2f} G numbers in the layers + {embedding / 1e9:.2f} G in the embedding")
print(f"{weights_gb:.1f} GB of weights in f16")

# %% [markdown] id="nb02-c11"
# How are these matrices cut? Follow one layer from left to right:
#
# ![One layer on two cores. The query, key and value matrices and the first feed-forward matrix are cut by columns. The output matrix and the second feed-forward matrix are cut by rows. After attention and after feed-forward the cores add up their results: two all-reduces a layer.](../docs/pictures/matrix.svg)
#
# The first matrix is cut by **columns**: each core computes its own heads. The second is cut by **rows**: each core has a
# part of every sum. Then the cores add up. This all-reduce happens twice in every layer, 80 times for one token.
#
# Now the **KV cache**: one key and one value for every position, row of the batch and layer. It is reserved for the longest
# text from the start, used or not.

# %% id="nb02-c12"
rows, positions = article.batch_size, article.n_positions
cache_gb = model.layers * 2 * positions * rows * model.hidden * 2 / 1e9
print(f"{cache_gb:.1f} GB of cache for {rows} rows of {positions} positions")
print(f"{weights_gb + cache_gb:.1f} GB together; 16 GB x 2 cores = 32 GB")

# %% [markdown] id="nb02-c13"
# By this rule it fits at degree 2. (Below you see 29.1 instead of 29.0, with position table and biases.)
#
# ## Rule 3: the runtime knows only some degrees
#
# The Neuron runtime joins only certain numbers of cores. The documentation of the article's time lists 1, 2, 4, 8 and 24
# for Inf2; that others are refused is inferred from the list. Later pages name 12 and 16 too, and later runtimes take every **even**
# number.
#
# **Predict.** DJLServing 0.25 came half a year after the article. Which of 3, 6, 12 and 24 does it allow for OPT-13B?

# %% id="nb02-c14" tags=["predict"]
answer = ...  # a set of degrees, such as {3, 6}

# %% id="nb02-c15"
judged = {name: plan(Settings(profile=name)).tensor_parallel for name in ("seed-0.21", "djl-0.25")}
lines = [
    f"{name}, degree {degree:2}: {found.said.get(degree, 'legal')}"
    for name, found in judged.items()
    for degree in (3, 6, 12, 24)
]
legal = {3, 6, 12, 24} & set(judged["djl-0.25"].legal)
reveal(
    answer, legal, "\n".join(lines), why="Heads are padded now, and every even number of cores is accepted."
)

# %% [markdown] id="nb02-c16"
# ## What rule 2 forgets
#
# **Predict.** By rule 2, how many rows fit at degree 2? Weights take 25.7 GB, each row 1.7 GB, and the room is 32 GB.

# %% id="nb02-c17" tags=["predict"]
answer = ...  # a number of rows

# %% id="nb02-c18"
by_rule = {rows: article_rules(2, model, batch_size=rows, n_positions=2048) for rows in (1, 2, 3, 4)}
lines = [f"batch {rows}: {rule.size_gb:.1f} of {rule.room_gb} GB" for rows, rule in by_rule.items()]
most = max(rows for rows, rule in by_rule.items() if rule.fits)
reveal(
    answer, most, "\n".join(lines), why="Rule 2 accepts 3 rows. AWS's own sample says that 3 rows do not fit."
)

# %% [markdown] id="nb02-c19"
# Rule 2 forgets that the runtime needs room on every core: programs, buffers, queues. It also counts in GB, where memory
# comes in GiB (1 GiB is 1.07 GB).
#
# The planner counts tensor by tensor. In the picture each bar is one core. The striped end is what the runtime needs at
# least. The dotted part is what it may need.

# %% id="nb02-c20"
from inf2lab import pictures

choices = [(2, 1), (2, 2), (2, 3), (8, 2), (24, 2)]
plans = {
    f"degree {degree}, batch {rows}": plan(Settings(tensor_parallel_degree=degree, batch_size=rows))
    for degree, rows in choices
}
pictures.memory_bars(plans)

# %% [markdown] id="nb02-c21"
# Look at degree 2. With batch 3 the bar reaches the striped part. In numbers:

# %% id="nb02-c22"
least = plans["degree 2, batch 3"].memory_verdict.reserve_gib[0]
for rows in (1, 2, 3):
    left = 16 - plans[f"degree 2, batch {rows}"].memory.total / 2**30
    print(f"batch {rows}: {left:.3f} GiB left, {least:.3f} needed at least: {left - least:+.3f}")
too_large = plans["degree 2, batch 3"]
print("would fit instead:", " or ".join(too_large.memory_verdict.remedies))

# %% [markdown] id="nb02-c23"
# Batch 3 lacks 0.007 GiB. The 1.70 is not a measurement: it is the smallest need that agrees with AWS's sample, where batch 3
# failed. So read only: *batch 3 is too much*.
#
# Batch 2 ends in the dotted part. By arithmetic that is **uncertain**: nobody knows. The planner says *fits*, because AWS's
# sample ran exactly this with the software of early 2023. With this profile's software nobody has shown it, and the sample
# moved to batch 1 at degree 8. On a large instance, degree 8 is the careful choice.
#
# ## Move the sliders
#
# In a running notebook the picture follows the sliders. On a web page you see where they start.

# %% id="nb02-c24"
from inf2lab.widgets import planner

planner(settings)

# %% [markdown] id="nb02-c25"
# **Question.** Sixteen rows of 2048 positions: what is the smallest degree that certainly fits?
#
# <details><summary>Answer</summary>
#
# Degree 8. At degrees 4 and 6 it is uncertain. Half of the positions saves as much cache as half of the rows.
#
# </details>
#
# ## Who is right?
#
# Three public rules answer the same question: the article's, AWS's calculator's, and DJLServing's defaults of 2024. Compare
# them with what really happened. The planner's column is only calculated, for the library of early 2023. That library had no
# extra programs for prompts, so the runtime's share is known better, and batch 2 *fits*.

# %% id="nb02-c26"
from inf2lab import catalog
from inf2lab.planning import plan_for

print("model     degree batch  article  calculator  DJL    planner       what happened")
for case in [case for case in catalog.memory_cases() if "opt" in case.model]:
    split = {"tensor_parallel_degree": case.degree, "batch_size": case.batch_size}
    made = plan_for(case.model, profile="seed-0.21", n_positions=case.n_positions, **split)
    say = ["fits" if rule.accepts else "no" for rule in made.rules]
    ours, seen = str(made.memory_verdict.by_rule.fit), "ran" if case.fits else "did not fit"
    name = case.model.partition("/")[2]
    print(f"{name:9}{case.degree:5}{case.batch_size:6}    {say[0]:8} {say[1]:11} {say[2]:6} {ours:13} {seen}")

# %% [markdown] id="nb02-c27"
# Every public rule accepts batch 3. (This case and the one above it told the planner what the runtime needs. The other four
# cases were not used to make the planner.)
#
# ## How many copies does the instance hold?
#
# The server starts one worker for each group of cores, and **each worker loads the whole model**. The devices that you pass
# to the container decide how many:
#
# ![Three deployments of OPT-13B. One copy: one device of an inf2.48xlarge works, eleven are idle. Twelve copies: each of the twelve devices holds a copy. Seven replicas: three machines hold seven servers of four devices each, and two devices are idle.](../docs/pictures/deployments.svg)
#
# Each copy also passes through the host's memory when it loads:

# %% id="nb02-c28"
for degree in (2, 8, 24):
    split = plan(Settings(tensor_parallel_degree=degree))
    print(f"degree {degree:2}, copies {len(split.copies):2}: {split.host.text}")

# %% [markdown] id="nb02-c29"
# Copies load **one after the other**: the last of twelve answers after twelve loads. In the rehearsal one copy stands for all.
#
# The article passes eight devices to Docker: 0, 10, 2, 4, 6, 8, 1 and 11. A device is a chip with two cores. The devices
# form a ring, and the devices of one copy must be neighbours. Copies take them in the order of their numbers, the lowest first.
#
# **Predict.** At which of the degrees 2, 4 and 8 does this list separate the devices of a copy?

# %% id="nb02-c30" tags=["predict"]
answer = ...  # a set of degrees, such as {2}

# %% id="nb02-c31"
from inf2lab.planning import judge_devices

listed = [0, 10, 2, 4, 6, 8, 1, 11]
found = {degree: judge_devices(hardware, degree, listed) for degree in (2, 4, 8)}
lines = [
    f"degree {one}: {len(it.copies)} copies, {len(it.broken)} of them separated" for one, it in found.items()
]
harmed = {degree for degree, it in found.items() if it.broken}
reveal(answer, harmed, "\n".join(lines), why="At degree 2 a copy is one device, so the ring does not matter.")

# %% [markdown] id="nb02-c32"
# The list also has gaps in its numbers, which AWS's troubleshooting page forbids. Compare it with a good list at degree 8.
# Change `passed` and run the cell again.

# %% id="nb02-c33"
passed = [0, 1, 2, 3, 4, 5, 6, 7]
pictures.rings(plan(Settings(tensor_parallel_degree=8)), {"the article's list": listed, "your list": passed})

# %% [markdown] id="nb02-c34"
# (The ring is the documentation's figure. That copies take devices in the order of their numbers is inferred from the
# server's source. Nobody has measured either here.)
#
# ## How fast is it?
#
# AWS has published times for some settings, not for the article's. So the planner answers with a range: low, likely, high. It
# says what the range rests on: *measured* is a published row, *interpolated* lies between rows, *extrapolated* outside.
#
# **Predict.** Degree 24 uses twelve times the cores of degree 2. How many times faster is one token?

# %% id="nb02-c35" tags=["predict"]
answer = ...  # a number, such as 12; it counts as right within half of the truth

# %% id="nb02-c36"
lines, mid = [], {}
for degree in (2, 8, 24):
    made = plan_for(
        "opt-13b", tensor_parallel_degree=degree, batch_size=2, input_tokens=64, output_tokens=128
    )
    ms, mid[degree] = made.decode.ms_per_token, made.decode.ms_per_token.mid
    line = (
        f"degree {degree:2}: {ms.low:3.0f} - {ms.mid:3.0f} - {ms.high:3.0f} ms a token ({made.decode.basis})"
    )
    lines.append(f"{line}, of which reading {made.decode.roofline_ms:2.0f}")
why = "Twice in every layer the cores wait for each other, and more cores do not wait less."
reveal(answer, mid[2] / mid[24], "\n".join(lines), why=why, within=0.5)

# %% [markdown] id="nb02-c37"
# (The answer has 60 ms at degree 2, the picture with the sliders 67.5. Its text has 2048 tokens, this one 192.)
#
# (The planner is fitted on published rows; `tools/fit_decode_model.py` prints its errors. *Reading* is the time for weights and
# cache at the memory's full speed: half of a token's time at degree 2, less than a quarter at degree 24. The rest is slower
# reading, waiting and copying.)
#
# ## What does it cost?
#
# Calculate the price of the copies that you start, not of those that would fit. Notebook 05's command passes **one** device, so
# it starts one copy. Here are four hours of the instance, and a million tokens when every started copy is always busy.

# %% id="nb02-c38"
deployments = {
    "one copy, inf2.8xlarge": plan(Settings(instance="inf2.8xlarge")),
    "one copy, inf2.48xlarge": plan(Settings()),
    "12 copies of degree 2": plan(Settings(copies=12)),
    "3 copies of degree 8": plan(Settings(copies=3, tensor_parallel_degree=8)),
}
print(f"{'deployment':30}{'USD, 4 hours':>14}   USD, a million tokens: low, likely, high")
for name, made in deployments.items():
    usd = made.started_usd
    four_hours = 4 * made.service.usd_per_hour
    print(f"{name:30}{four_hours:14.2f}   {usd.low:22.0f} {usd.mid:7.0f} {usd.high:6.0f}")

# %% [markdown] id="nb02-c39"
# (Prices: `lib/inf2lab/catalog/instances.json`, with month and source.)

# %% id="nb02-c40"
pictures.costs(deployments)

# %% [markdown] id="nb02-c41"
# One copy on the large instance pays for eleven idle chips. It belongs on inf2.8xlarge. Twelve copies make cheap tokens **if**
# you start them (`Settings(copies=12)`) and keep them busy. Three copies of degree 8 answer sooner, and each token costs more.
#
# ## You may stop here
#
# The short path goes on with [03 Serve a model without code](03_serving_properties.ipynb). Or stay: the planner
# chooses an instance, shows your plan whole, and refuses two.
#
# ## The cheapest instance that fits
#
# **Predict.** OPT-13B needs two cores. Which instance is the cheapest that can serve it?

# %% id="nb02-c42" tags=["predict"]
answer = ...  # a text, such as "inf2.xlarge"

# %% id="nb02-c43"
lines = []
for name in ("opt-1.3b", "opt-13b", "opt-30b", "opt-66b", "llama-2-7b", "bloom"):
    choice = plan_for(name, batch_size=2).cheapest
    fits = f"{choice.instance} at degree {choice.degree}, {choice.usd_per_hour} USD/h" if choice else "none"
    lines.append(f"{name:11} {fits}")
why = "Two cores hold it. But the host of the smaller instances has too little memory to load it."
reveal(answer, plan_for("opt-13b", batch_size=2).cheapest.instance, "\n".join(lines), why=why)

# %% [markdown] id="nb02-c44"
# The weights pass through the host's memory: up to 35 GiB with notebook 04's handler, 59 where a handler reads them in 32 bits.
# inf2.xlarge has 16 GiB, and trn1.2xlarge (Trainium, the sister chip) 32. BLOOM, with 176 billion parameters, is too large for
# every instance here.
#
# ## Your plan, whole
#
# Open *The whole plan* below. Three numbers side by side are low, likely and high. In a terminal: `inf2lab plan`, and `--json`
# for programs.

# %% id="nb02-c45"
mine = plan(settings)
mine

# %% [markdown] id="nb02-c46"
# ## Two failures on purpose
#
# `Settings` refuses what no rule allows, before anything is started: an odd degree, and degree 24 with the article's own
# profile, whose library does not pad.

# %% id="nb02-c47"
from inf2lab.errors import SettingsError

with expect_failure(SettingsError, about="is not supported by the Neuron runtime"):
    Settings(tensor_parallel_degree=3)
with expect_failure(SettingsError, about="40 attention heads"):
    Settings(profile="seed-0.21", tensor_parallel_degree=24)

# %% [markdown] id="nb02-c48"
# ## Check yourself
#
# These are about your counting, your list of devices and your parameters.

# %% id="nb02-c49" tags=["check"]
whole_gb = 2 * plan(article).memory.total / 1e9
check(
    "your count of weights and cache agrees with the planner",
    abs(weights_gb + cache_gb - whole_gb) < 0.02 * whole_gb,
    hint="12 x hidden² a layer, two bytes a number, one key and one value a position",
)
check(
    "3 rows at degree 2 do not fit, and something else would",
    too_large.verdict.fit == "does not fit" and too_large.memory_verdict.remedies,
    hint="look at the bars: `too_large` is the plan of degree 2 with batch 3",
)
check(
    "your list keeps every copy on neighbours, from device 0 on",
    "Pass" not in judge_devices(hardware, 8, passed).text,
    hint="pass neighbours of the ring, without gaps",
)
check("your plan is legal and may fit", not mine.problems, hint="; ".join(mine.problems))

# %% [markdown] id="nb02-c50"
# **Seen on the chip?** An inf2.xlarge shows one Neuron device with two NeuronCores (documented by AWS). A token takes what the plan says, and the chip's memory is what the arithmetic says (reasoned). OPT-13B in f16 with batch 2 and 2048 positions fits on the two NeuronCores of one chip (documented by AWS). An inf2.48xlarge takes the tensor parallel degrees 1, 2, 4, 8 and 24, later also 12 and 16 (documented by AWS). [What each rests on](../docs/claims.md)
#
# The planner's other numbers are arithmetic.

# %% [markdown] id="nb02-c51"
# **What you have now:** the three rules and what each forgets; the bytes on one core; the copies; a price for what you start.
#
# **On the chip:** the same. The emulated chip uses the planner's functions: what does not fit here is refused in notebook 05.
#
# **Try it:** set `n_positions = 256`, as the article's first file does. How much memory does it save, and which requests
# become impossible?
#
# <details><summary>Answer</summary>
#
# The cache shrinks to an eighth: 0.4 instead of 3.4 GB on two cores together. The weights stay. Every request whose prompt
# and answer have more than 256 tokens together becomes impossible, and the article's own request asks for 2048.
#
# </details>
#
# **Exercise:** [how many prompts at once?](exercises/02_plan.ipynb)
#
# **Further reading:** [Inf2 architecture](https://awsdocs-neuron.readthedocs-hosted.com/en/latest/about-neuron/arch/neuron-hardware/inf2-arch.html)
# (AWS) · [Megatron-LM](https://arxiv.org/abs/1909.08053), the paper that cuts layers this way ·
# [OPT](https://arxiv.org/abs/2205.01068), the model's paper ·
# [OPT-13B sampling](https://github.com/aws-neuron/aws-neuron-samples/tree/master/torch-neuronx/transformers-neuronx/inference), AWS's sample
#
# Next: [03 Serve without code](03_serving_properties.ipynb)
