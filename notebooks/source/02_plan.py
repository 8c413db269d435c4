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
# | **You will do** | apply the article's three rules to OPT-13B, do the memory arithmetic by hand, compare it with the planner |
# | **You will be able to** | say before you pay which tensor parallel degree is legal, and whether a batch fits |
# | **Before you start** | [00 Start here](00_start_here.ipynb); nothing has to run |
# | **Time** | 20 minutes to read and guess, seconds to run |
# | **Cost** | nothing in either lane |

# %% [markdown] id="nb02-c02"
# OPT-13B does not fit into the memory of one NeuronCore. So its matrices are cut into slices, and several cores
# work on each layer together. That is **tensor parallelism**. The number of cores that share one copy of the
# model is the **tensor parallel degree**.
#
# You choose it once, in a file. A wrong choice costs you twenty minutes of loading before it fails. This
# notebook costs you nothing.

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
# cache: `f16` takes two bytes.

# %% id="nb02-c05"
from inf2lab import Settings, article_rules, check, enter_repository, expect_failure, plan

enter_repository()
settings = Settings.from_notebook(globals())
model, hardware = settings.model, settings.hardware
print(f"{settings.model_id}: {model.layers} layers, hidden size {model.hidden}, {model.heads} heads")
print(f"{settings.instance}: {hardware.chips} chips, {hardware.cores} NeuronCores, {hardware.device_gib} GiB")

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
cache_gb = model.layers * 2 * n_positions * batch_size * model.hidden * 2 / 1e9
print(f"{cache_gb:.1f} GB of cache for {batch_size} rows of {n_positions} positions")
room_gb = 16 * tensor_parallel_degree
print(f"{weights_gb + cache_gb:.1f} GB together; 16 GB x {tensor_parallel_degree} cores = {room_gb} GB")

# %% [markdown] id="nb02-c12"
# It fits at degree 2, with little to spare.
#
# ## Rule 3: the runtime knows only some degrees
#
# The cores of one copy add up their results after every layer. The Neuron runtime builds that circle only for
# certain numbers of cores. The article names them for Inf2; here is the documented list of both generations.

# %% id="nb02-c13"
from neuron_rules import GENERATIONS

for generation in GENERATIONS.values():
    print(f"{generation.title}: {generation.documented_degrees['inf2']}")

# %% [markdown] id="nb02-c14"
# The documented list did not change. Later runtimes accept other **even** numbers too: 12 is used on
# inf2.24xlarge. An odd number such as 3 is refused in every generation.
#
# Here are all three rules together.

# %% id="nb02-c15"
marks = {True: "yes", False: "NO"}
print("degree  heads divide  fits          supported  all three")
for degree in (1, 2, 3, 4, 8, 24):
    rules = article_rules(degree, model, batch_size=batch_size, n_positions=n_positions)
    sizes = f"{rules.size_gb:.1f} {'<' if rules.fits else '>'} {rules.room_gb:.0f} GB"
    passed = [marks[rule] for rule in (rules.heads_divide, rules.supported, rules.ok)]
    print(f"{degree:6}  {passed[0]:12}  {sizes:12}  {passed[1]:9}  {passed[2]}")

# %% [markdown] id="nb02-c16"
# ## What the rule forgets
#
# **Predict, then run.** By rule 2, how many rows fit at degree 2? Each row costs 1.7 GB, and the room is 32 GB.

# %% id="nb02-c17"
for rows in (1, 2, 3, 4):
    rules = article_rules(2, model, batch_size=rows, n_positions=2048)
    print(
        f"batch {rows}: {rules.size_gb:.1f} GB",
        "fits" if rules.fits else "does not fit",
        "by the article's rule",
    )

# %% [markdown] id="nb02-c18"
# Rule 2 lets batch 3 pass. AWS's own sample says that batch 3 does **not** fit. Two things are missing: the
# rule counts in GB where memory comes in GiB, and the runtime itself needs 1.7 to 2.5 GiB on every core.
#
# The planner counts tensor by tensor, on one core, and keeps that reserve free. Each bar below is one core.

# %% id="nb02-c19"
from inf2lab import pictures
from neuron_rules import bytes_per_core, judge_memory

cases = {f"degree {d}, batch {b}": (d, b) for d, b in [(2, 1), (2, 2), (2, 3), (8, 2), (24, 2)]}
generation = settings.generation
memory = {
    label: bytes_per_core(model, generation=generation, degree=d, batch_size=b, n_positions=2048, dtype="f16")
    for label, (d, b) in cases.items()
}
pictures.memory_bars(memory)

# %% [markdown] id="nb02-c20"
# Look at batch 2 and batch 3 at degree 2. One ends at the edge of the shaded band, the other beyond it. The
# numbers and the verdicts:

# %% id="nb02-c21"
for label, on_core in memory.items():
    print(f"{label:18} {judge_memory(on_core).text}")

# %% [markdown] id="nb02-c22"
# These are the same functions the emulated chip uses. If the planner says that something does not fit, the
# rehearsal refuses to load it. You will see that happen in notebook 05.
#
# ## What later generations changed
#
# From transformers-neuronx 0.5 on, OPT's heads are **padded**: at degree 24, 40 heads become 48. The eight
# extra heads compute zeros. Compare the two generations.

# %% id="nb02-c23"
from neuron_rules import check_degree

for name, rules in GENERATIONS.items():
    verdict = check_degree(24, model, generation=rules, cores=hardware.cores)
    print(f"{name}: {'legal' if verdict.ok else 'refused'}")
    for sentence in (*(reason.text for reason in verdict.reasons), *verdict.notes):
        print("    ", sentence)

# %% [markdown] id="nb02-c24"
# ## How many copies does the instance hold?
#
# The server starts one worker for each group of cores, and **each worker loads the whole model**. The article
# sets degree 2 and speaks of 8 cores. Count what really starts on a whole inf2.48xlarge.

# %% id="nb02-c25"
for degree in (2, 8, 24):
    split = plan(Settings(tensor_parallel_degree=degree))
    print(f"degree {degree:2}: {len(split.copies):2} copies of the model, {split.idle_cores} cores idle")

# %% [markdown] id="nb02-c26"
# Twelve copies of OPT-13B at degree 2: more requests at once, but each worker also holds the model in the
# host's memory while it loads. In the rehearsal one copy stands for all.
#
# The article passes eight devices to Docker: 0, 10, 2, 4, 6, 8, 1 and 11. The devices sit in a ring, and a copy
# wants neighbours. At degree 8, a copy takes four devices in a row. **Predict, then run:** how many copies can
# these eight devices hold?

# %% id="nb02-c27"
of_eight = plan(Settings(tensor_parallel_degree=8))
pictures.ring(of_eight, devices=[0, 10, 2, 4, 6, 8, 1, 11])

# %% [markdown] id="nb02-c28"
# One: devices 10, 11, 0 and 1. The other four have no neighbours among them. With devices 0 to 7, two copies fit.
# Notebook 05 prints such a list for you. (The ring is the documentation's figure; nobody has measured it here.)
#
# What a token takes and costs depends on all of this too. In a terminal, `inf2lab plan` estimates it as a range and
# says what the estimate rests on: `inf2lab plan --tp 2 --batch 2 --input 64 --output 128`.
#
# ## Two failures on purpose
#
# A wrong parameter stops before anything is started, with one sentence.

# %% id="nb02-c29"
from inf2lab.errors import SettingsError

with expect_failure(SettingsError, about="is not supported by the Neuron runtime"):
    Settings(tensor_parallel_degree=3)

# %% [markdown] id="nb02-c30"
# And degree 24 under the article's own profile, whose library does not pad:

# %% id="nb02-c31"
with expect_failure(SettingsError, about="40 attention heads"):
    Settings(profile="seed-0.21", tensor_parallel_degree=24)

# %% [markdown] id="nb02-c32"
# ## Check yourself
#
# The last line is about your own parameters. If it fails, the hint says what would make them fit.

# %% id="nb02-c33" tags=["check"]
mine = plan(settings)
check(
    "8 divides the heads of OPT-13B",
    article_rules(8, model, batch_size=2, n_positions=2048).heads_divide,
    hint="40 / 8 = 5",
)
check(
    "batch 3 at degree 2 does not fit",
    judge_memory(memory["degree 2, batch 3"]).fit == "does not fit",
    hint="see the bars",
)
check("your plan fits", mine.verdict.fit == "fits", hint=mine.verdict.text)

# %% [markdown] id="nb02-c34"
# **What you have now:** the three rules and what each costs, the bytes on one core, the number of copies.
#
# **Try it:** set `n_positions = 256`, as the article's first file does. How much memory does it save, and which
# requests become impossible?
#
# Next: [03 Serve without code](03_serving_properties.ipynb)
