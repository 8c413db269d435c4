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
# | **You will do** | apply the article's three rules by hand, find out where they mislead, let the planner answer the rest |
# | **You will be able to** | say before you pay which degree is legal, what fits, how fast it may be, and what it costs |
# | **Before you start** | [00 Start here](00_start_here.ipynb); nothing has to run |
# | **Time** | 30 minutes to read and guess, seconds to run |
# | **Cost** | nothing in either lane |

# %% [markdown] id="nb02-c02"
# OPT-13B does not fit into the memory of one NeuronCore. So its matrices are cut into slices, and several cores
# work on each layer together. That is **tensor parallelism**. The number of cores that share one copy of the
# model is the **tensor parallel degree**.
#
# You choose it once, in a file. A wrong choice shows only after a load, which takes 7 to 55 minutes by the planner's
# bounds (nobody has published it). This notebook costs you nothing.

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
# `n_positions` is the longest text, prompt and answer together. `dtype` is the number format of weights and
# cache: `f16` takes two bytes. The sections below work on the article's model, OPT-13B. The planner at the end
# takes **your** parameters.

# %% id="nb02-c05"
from inf2lab import Settings, article_rules, check, enter_repository, expect_failure, plan

enter_repository()
settings = Settings.from_notebook(globals())
article = Settings()
model, hardware = article.model, article.hardware
print(f"{article.model_id}: {model.layers} layers, hidden size {model.hidden}, {model.heads} heads")
print(f"{article.instance}: {hardware.chips} chips, {hardware.cores} NeuronCores, {hardware.device_gib} GiB")

# %% [markdown] id="nb02-c06"
# ## Rule 1: the degree divides the attention heads
#
# A core gets whole heads. It cannot take half a head.
#
# **Predict, then run.** OPT-13B has 40 heads. Which of 1, 2, 4, 8, 12 and 24 divide 40?

# %% id="nb02-c07"
for degree in (1, 2, 4, 8, 12, 24):
    heads_each, rest = divmod(model.heads, degree)
    print(f"degree {degree:2}: {heads_each:2} heads a core", "" if rest == 0 else f"and {rest} left over")

# %% [markdown] id="nb02-c08"
# Look at 24: it is the whole instance, and it leaves 16 heads over. In the article's generation that is the end
# of it.
#
# ## Rule 2: weights and cache fit into 16 GB a core
#
# Do this one by hand, once. First the **weights**. Each layer has four attention matrices and two feed-forward
# matrices, twelve times hidden² in all. The embedding and the output share one matrix.

# %% id="nb02-c09"
layers = model.layers * 12 * model.hidden**2
embedding = model.vocab * model.hidden
weights_gb = (layers + embedding) * 2 / 1e9
print(f"{layers / 1e9:.2f} G in the layers + {embedding / 1e9:.2f} G in the embedding")
print(f"{weights_gb:.1f} GB of weights in f16")

# %% [markdown] id="nb02-c10"
# Then the **KV cache**: for every position, every row of the batch and every layer, one key and one value. It is
# reserved for the longest text from the start, whether you use it or not.

# %% id="nb02-c11"
rows, positions = article.batch_size, article.n_positions
cache_gb = model.layers * 2 * positions * rows * model.hidden * 2 / 1e9
print(f"{cache_gb:.1f} GB of cache for {rows} rows of {positions} positions")
print(f"{weights_gb + cache_gb:.1f} GB together; 16 GB x 2 cores = 32 GB")

# %% [markdown] id="nb02-c12"
# It fits at degree 2, with little to spare.
#
# ## Rule 3: the runtime knows only some degrees
#
# The cores of one copy add up their results twice in every layer. The Neuron runtime joins only certain numbers of
# cores for that. The article names 1, 2, 4, 8 and 24 for Inf2.
#
# **Predict, then run.** Which of 3, 6, 12 and 24 does the article's generation allow? And the one of
# DJLServing 0.25, half a year later?

# %% id="nb02-c13"
for name in ("seed-0.21", "djl-0.25"):
    judged = plan(Settings(profile=name)).tensor_parallel
    print(name, "- documented:", *judged.documented)
    for degree in (3, 6, 12, 24):
        print(f"  {degree:2}  {judged.said.get(degree, 'legal')}")

# %% [markdown] id="nb02-c14"
# Two things changed. Later runtimes accept every **even** number of cores. And from transformers-neuronx 0.5 on,
# OPT's heads are **padded**: at degree 24, 40 heads become 48. The eight extra heads compute zeros, so you pay
# for memory and time that do nothing. An odd number such as 3 is refused in every generation.
#
# ## What rule 2 forgets
#
# **Predict, then run.** By rule 2, how many rows fit at degree 2? Each row costs 1.7 GB, and the room is 32 GB.

# %% id="nb02-c15"
for rows in (1, 2, 3, 4):
    rules = article_rules(2, model, batch_size=rows, n_positions=2048)
    print(
        f"batch {rows}: {rules.size_gb:.1f} of {rules.room_gb} GB,", "fits" if rules.fits else "does not fit"
    )

# %% [markdown] id="nb02-c16"
# Rule 2 lets batch 3 pass. AWS's own sample says that batch 3 does **not** fit. Two things are missing. The
# rule counts in GB where memory comes in GiB. And the runtime itself needs room on every core: its programs,
# its buffers, its queues.
#
# The planner counts tensor by tensor, on one core. In the picture each bar is one core, and the shaded part is
# what the runtime takes: at least the striped end, at most the dotted stretch too.

# %% id="nb02-c17"
from inf2lab import pictures

choices = [(2, 1), (2, 2), (2, 3), (8, 2), (24, 2)]
plans = {
    f"degree {degree}, batch {rows}": plan(Settings(tensor_parallel_degree=degree, batch_size=rows))
    for degree, rows in choices
}
pictures.memory_bars(plans)

# %% [markdown] id="nb02-c18"
# Look at degree 2. Batch 3 reaches into the striped part: certain failure. Batch 2 ends in the dotted part. By
# arithmetic that is *uncertain*; it says *fits* because AWS's sample ran exactly this, with the software of early 2023.
# With the software of this profile nobody has shown it: that sample has moved to batch 1 at degree 8. Call it *tight, not
# shown*. On a larger instance degree 8 is the careful choice.
#
# So there are three verdicts. *Uncertain* means: nobody has tried it. What would make batch 3 fit?

# %% id="nb02-c19"
too_large = plans["degree 2, batch 3"]
print(too_large.verdict.text)
print("would fit:", " or ".join(too_large.memory_verdict.remedies))

# %% [markdown] id="nb02-c20"
# ## Move the sliders
#
# Here is the planner for your parameters. In a running notebook the picture follows the sliders. On a web page
# you see where they start.
#
# **Predict, then move.** What is the smallest degree at which batch 16 fits? Does half of `n_positions` help as
# much as half of the batch?

# %% id="nb02-c21"
from inf2lab.widgets import planner

planner(settings)

# %% [markdown] id="nb02-c22"
# (For OPT-13B: degree 8. At degree 6 it is uncertain, and half of either makes it fit: the cache is batch times
# positions.)
#
# ## Who is right?
#
# Three public rules answer the same question: the article's, the vendor's calculator, and the defaults that
# DJLServing itself chose in 2024. People have written down what really happened. Compare. The planner's
# column is arithmetic alone, under the rules of that time.

# %% id="nb02-c23"
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

# %% [markdown] id="nb02-c24"
# Look at batch 3: every public rule says that it fits. (To be fair: this case and the one above it tell the
# planner how much the runtime needs. The other four it had to get right by itself.)
#
# ## How many copies does the instance hold?
#
# The server starts one worker for each group of cores, and **each worker loads the whole model**. The article
# sets degree 2 and speaks of 8 cores. Count what really starts on a whole inf2.48xlarge.

# %% id="nb02-c25"
for degree in (2, 8, 24):
    split = plan(Settings(tensor_parallel_degree=degree))
    print(f"degree {degree:2}, copies {len(split.copies):2}: {split.host.text}")

# %% [markdown] id="nb02-c26"
# Twelve copies of OPT-13B at degree 2: more requests at once. They load **one after the other**, so the host holds one
# loading copy and eleven that serve, and the last one answers after twelve loads. In the rehearsal one copy stands for
# all.
#
# The article passes eight devices to Docker: 0, 10, 2, 4, 6, 8, 1 and 11. A device is a chip of two cores. The
# devices sit in a ring, and a copy wants neighbours. **Predict, then run:** at which of the degrees 2, 4 and 8
# does this list do harm?

# %% id="nb02-c27"
import textwrap

from inf2lab.planning import judge_devices

listed = [0, 10, 2, 4, 6, 8, 1, 11]
for degree in (2, 4, 8):
    verdict = judge_devices(hardware, degree, listed).text.partition(". Pass")[0]
    print(textwrap.fill(verdict, 100, subsequent_indent="    "))

# %% [markdown] id="nb02-c28"
# At degree 2 a copy is one device, and the ring does not matter. At degree 8 both copies are torn apart. And at every
# degree the numbers have gaps, which AWS's troubleshooting page forbids. See the ring:

# %% id="nb02-c29"
pictures.ring(plan(Settings(tensor_parallel_degree=8)), devices=listed)

# %% [markdown] id="nb02-c30"
# Pass devices 0 to 7, and all is well. (The ring is the documentation's figure. That copies take
# the devices in the order of their numbers is inferred from the server's source. Nobody has measured either here.)
#
# ## How fast, and for how much?
#
# AWS has published times for some settings, and the article's is not among them. The planner says how it knows:
# *measured* is a published row, *interpolated* lies between rows, *extrapolated* lies outside. So every answer
# is a range: low, likeliest, high. The last three lines say what a million tokens cost when only `copies` are started.
#
# **Predict, then run.** Degree 24 uses twelve times the cores of degree 2. Is a token twelve times faster? Which
# degree makes the cheapest tokens?

# %% id="nb02-c31"
for degree in (2, 8, 24):
    lengths = {"input_tokens": 64, "output_tokens": 128}
    made = plan_for("opt-13b", tensor_parallel_degree=degree, batch_size=2, **lengths)
    ms, usd = made.decode.ms_per_token, made.service.usd_per_million_tokens
    print(f"degree {degree:2}: {ms.low:3.0f} - {ms.mid:3.0f} - {ms.high:3.0f} milliseconds a token", end="; ")
    print(f"{usd.low:4.1f} - {usd.mid:4.1f} - {usd.high:4.1f} USD a million; {made.decode.basis}")
for size, copies in (("inf2.48xlarge", 12), ("inf2.48xlarge", 1), ("inf2.8xlarge", 1)):
    usd = plan(Settings(instance=size, copies=copies)).started_usd
    print(f"{size:14} {copies:2} started: {usd.low:4.1f} - {usd.mid:5.1f} - {usd.high:5.1f} USD a million")

# %% [markdown] id="nb02-c32"
# More cores make one answer faster, and each token costs more: the cores wait for each other after every layer.
# Twelve slow copies earn more than one fast one, **if** you have the requests to keep them busy, and if you start them.
# Notebook 05's command gives the container one device, so it starts one. One copy on the large instance pays for eleven
# idle chips. One copy belongs on inf2.8xlarge.
#
# Compare a setting that AWS has published. The range shrinks to what was measured, and the row is named.

# %% id="nb02-c33"
published = {"n_positions": 4096, "input_tokens": 128, "output_tokens": 3968, "profile": "djl-0.28"}
row = plan_for("llama-2-13b", tensor_parallel_degree=24, **published).decode
print(f"{row.ms_per_token.mid:.2f} to {row.ms_per_token.high:.2f} milliseconds, {row.basis}")
print(row.explanation)
print(f"the memory's speed alone would allow {row.roofline_ms:.2f}")

# %% [markdown] id="nb02-c34"
# Reading weights and cache at full speed takes less than a third of that time. The rest is waiting and copying,
# which no data sheet shows. That is why the planner is fitted on measured rows: `tools/fit_decode_model.py` prints
# its errors. None of these numbers is the rehearsal's. Nothing you can time here says anything about the chip.
#
# ## The cheapest instance that fits
#
# **Predict, then run.** OPT-13B needs two cores. Does it need an inf2.48xlarge?

# %% id="nb02-c35"
for name in ("opt-1.3b", "opt-13b", "opt-30b", "opt-66b", "llama-2-7b", "bloom"):
    choice = plan_for(name, batch_size=2).cheapest
    answer = f"{choice.instance} at degree {choice.degree}, {choice.usd_per_hour} USD/h" if choice else "none"
    print(f"{name:11} {answer}")

# %% [markdown] id="nb02-c36"
# OPT-13B fits on two cores, but the weights pass through the host's memory: up to 35 GiB with notebook 04's handler, 59
# where a handler reads them in 32 bits. inf2.xlarge has 16, and trn1.2xlarge, of the sister chip Trainium, 32. So the
# cheapest fit is inf2.8xlarge, as in notebook 01. (Prices: `lib/inf2lab/catalog/instances.json`, with months and source.)
#
# ## Your plan, whole
#
# One call gives all of it for your parameters. In a terminal: `inf2lab plan`, and `--json` for programs.

# %% id="nb02-c37"
mine = plan(settings)
mine

# %% [markdown] id="nb02-c38"
# ## Two failures on purpose
#
# `Settings` refuses what no rule allows, before anything is started, with one sentence.

# %% id="nb02-c39"
from inf2lab.errors import SettingsError

with expect_failure(SettingsError, about="is not supported by the Neuron runtime"):
    Settings(tensor_parallel_degree=3)

# %% [markdown] id="nb02-c40"
# And degree 24 under the article's own profile, whose library does not pad:

# %% id="nb02-c41"
with expect_failure(SettingsError, about="40 attention heads"):
    Settings(profile="seed-0.21", tensor_parallel_degree=24)

# %% [markdown] id="nb02-c42"
# ## Check yourself
#
# The last line is about your own parameters. If it fails, the hint says which rule they break.

# %% id="nb02-c43" tags=["check"]
check("8 divides the heads of OPT-13B", model.heads % 8 == 0, hint="40 / 8 = 5")
check("batch 3 at degree 2 does not fit", too_large.verdict.fit == "does not fit", hint="see the bars")
check(
    "the article's devices are torn apart at degree 8",
    len(judge_devices(hardware, 8, listed).broken) == 2,
    hint="see the ring",
)
check("your plan is legal and may fit", not mine.problems, hint="; ".join(mine.problems))

# %% [markdown] id="nb02-c44"
# **What you have now:** the three rules and what each forgets, the bytes on one core, the number of copies, a range
# for time and cost that says what it rests on.
#
# The planner uses the same functions as the emulated chip. What does not fit here is refused there: notebook 05
# shows it.
#
# **Try it:** set `n_positions = 256`, as the article's first file does. How much memory does it save, and which
# requests become impossible?
#
# **Exercise:** [how far can it be split?](exercises/02_plan.ipynb)
#
# **Seen on the chip?** An inf2.xlarge shows one Neuron device with two NeuronCores (documented by AWS). A token takes what the plan says, and the chip's memory is what the arithmetic says (reasoned). OPT-13B in f16 with batch 2 and 2048 positions fits on the two NeuronCores of one chip (documented by AWS). An inf2.48xlarge takes the tensor parallel degrees 1, 2, 4, 8 and 24, later also 12 and 16 (documented by AWS). [What each rests on](../docs/claims.md)
#
# Next: [03 Serve without code](03_serving_properties.ipynb)
