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

# %% [markdown] id="nb10-c01"
# # Where next: the same folder on what came after
#
# | | |
# |---|---|
# | **You will do** | take the folder of notebook 04 to its successors, key by key, and compare old answers with new ones |
# | **You will be able to** | say what of a folder survives, what a request becomes, and which models still have a way on |
# | **Before you start** | [04 model.py](04_model_py.ipynb), which writes the folder; nothing has to run |
# | **Time** | 30 minutes to read and guess; seconds to run, a minute more with the real vLLM |
# | **Cost** | nothing in either lane |

# %% [markdown] id="nb10-c02"
# The stack of this tutorial has **ended**. transformers-neuronx gets no more releases, and DJLServing has dropped its
# Neuron code. Folders like yours run on, on images that stay as they are. Sooner or later somebody must move one.
#
# What you learned stays true: degrees, heads, memory, warm-up, clocks. What changes is how it is written down. This
# notebook shows that, key by key, and then **runs both sides**.

# %% id="nb10-c03" tags=["parameters"]
lane: str = "rehearsal"
profile: str = "djl-0.25"
instance: str = "inf2.48xlarge"
model_name: str = "opt13b"
comparison: str = "auto"

# %% [markdown] id="nb10-c04"
# `comparison` is about the section with both sides. `"live"` starts the real vLLM on this machine's processor; `make
# migrate-env` installs it (Linux, up to 8 GB). `"recorded"` shows what a run on another day gave. `"auto"` is live where
# vLLM is.

# %% id="nb10-c05"
import datetime

from inf2lab import ModelFolder, Settings, catalog, check, enter_repository, migrate, pictures

enter_repository()
settings = Settings.from_notebook(globals(), also=["comparison"])
folder = ModelFolder.named(model_name)
for key, value in folder.properties().items():
    print(f"{key}={value}")

# %% [markdown] id="nb10-c06"
# That is your folder, as it was served in 05.
#
# ## What has ended, and when
#
# **Predict, then run.** The article is of 2023. For how many years did AWS's images carry the library after it?

# %% id="nb10-c07"
events = [(datetime.date.fromisoformat(one.date), one.what) for one in catalog.stack_history()]
pictures.timeline(events)

# %% [markdown] id="nb10-c08"
# Two years. Look at the last three lines as well: the first successor, NxD Inference, is leaving too. So ask of each
# answer below *until when* it holds. Every date has its source in the catalog.
#
# ## Four ways on
#
# Each target is one server in one image. `families` are the chips that it runs on.

# %% id="nb10-c09"
for name, target in catalog.successors().items():
    print(f"{name:12} {target.title:32} {', '.join(target.families)}")

# %% [markdown] id="nb10-c10"
# Only the first two run on Inf2. `vllm-neuron` needs Trn2 or later, `lmi-vllm` a GPU.
#
# ## Which keys survive?
#
# Your folder goes to `vllm-nxdi`: vLLM, with NxD Inference below it. **Predict, then run.** Four of the folder's keys are
# below. Which keep their meaning, and only get another name? Write them into the set.

# %% id="nb10-c11"
asked = ["model_id", "tensor_parallel_degree", "batch_size", "n_positions"]
only_renamed = {"batch_size"}  # your guess

# %% [markdown] id="nb10-c12"
# A request belongs to a folder as its files do. So write down the one that your client sends, and hand over both.

# %% id="nb10-c13"
import json

from inf2lab import paths

place = paths.logs() / "migrate"
place.mkdir(exist_ok=True)
request = place / "ask.json"
prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
request.write_text(json.dumps({"seq_length": 48, "text": prompts}) + "\n")

made = migrate(folder.path, to="vllm-nxdi", files=[request], settings=settings)
for row in made.sections["what the folder says"]:
    print(f"{row.verdict.said:16} {row.what:38} {row.becomes}")

# %% [markdown] id="nb10-c14"
# How good was your guess?

# %% id="nb10-c15"
said = {
    row.what.partition("=")[0].removeprefix("option."): row for row in made.sections["what the folder says"]
}
for name in asked:
    renamed = said[name].verdict.said == "renamed"
    right = renamed == (name in only_renamed)
    print(f"{'right' if right else 'wrong'}  {name}: {said[name].says}")

# %% [markdown] id="nb10-c16"
# Look at `tensor_parallel_degree` and `batch_size`. They have a new name, and that hides a new meaning:
#
# - DJLServing started as many copies as the cores hold. vLLM is **one** copy; more copies are more servers.
# - The batch was a number that every request had to fill. Now it is the most that run at once.
#
# And `model.py` does not move at all. Whatever it did to a request is the client's task now, or a middleware's.
#
# ## The model decides first
#
# Keys are the easy half. **Predict, then run.** Does the successor serve OPT?

# %% id="nb10-c17"
from inf2lab.checks import wrap

for row in made.sections["the model"]:
    print(wrap(f"{row.verdict.said}: {row.what}. {row.says}"))
for one in made.nearest:
    print(wrap(f"nearest: {one}", indent="  "))

# %% [markdown] id="nb10-c18"
# No. OPT, GPT-2, GPT-J, GPT-NeoX and BLOOM have no successor on Neuron. The way on is another model of the size, or a
# GPU. After each model stands the smallest degree and the cheapest instance that hold it, by NxD Inference's own rule. That
# rule counts the chips' memory only, not the host's.
#
# The same question for models that people serve today, to each target:

# %% id="nb10-c19"
from inf2lab.migrate import lines

names = ["meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-8B", "facebook/opt-13b"]
print(f"{'':34}", *(f"{to:12}" for to in catalog.successors()))
for name in names:
    other = ModelFolder(place / "other")
    other.path.mkdir(exist_ok=True)
    text = (
        f"engine=Python\noption.model_id={name}\noption.tensor_parallel_degree=8\noption.n_positions=2048\n"
    )
    other.properties_path.write_text(text)
    verdicts = [
        migrate(other.path, to=to).sections["the model"][0].verdict.said for to in catalog.successors()
    ]
    print(f"{name:34}", *(f"{verdict:12}" for verdict in verdicts))

# %% [markdown] id="nb10-c20"
# "meaning changes" says here: nobody knows. Tables and reports from the field do not always agree. This is what both
# say of Qwen3-8B:

# %% id="nb10-c21"
other.properties_path.write_text(text.replace("facebook/opt-13b", "Qwen/Qwen3-8B"))
found = migrate(other.path, to="vllm-nxdi")
print("\n".join(wrap(line) for line in lines(found.sections["the model"])))
print("\n".join(wrap(line) for line in lines(found.sections["the target's rules"])))

# %% [markdown] id="nb10-c22"
# AWS's table lists Qwen 3. Somebody who tried this model on this image met a compiler error. The report counts more:
# it is about the very thing that you would do.
#
# ## What starts it
#
# Back to your folder. Look at what is stated that you never had to state: the port, the devices, a folder for the
# compiled programs.

# %% id="nb10-c23"
print(made.files()["command.sh"])

# %% [markdown] id="nb10-c24"
# `NEURON_COMPILED_ARTIFACTS` matters most. Without it every start compiles anew. With it a program that was found wins
# over changed flags, in silence. So the folder's name is made from the flags.
#
# ## The request, by hand
#
# The old `seq_length` counts prompt **and** answer. The new `max_tokens` counts only the answer. **Predict, then run.**
# The longer prompt has 9 tokens, and `seq_length` is 48. What is `max_tokens`?

# %% id="nb10-c25"
answer = 48  # your guess
translated = made.requests[0]
body = translated.of_length(longest=9)
print("right" if answer == body["max_tokens"] else f"wrong: {answer}")
print(json.dumps(body, indent=2))

# %% [markdown] id="nb10-c26"
# `min_tokens` is there because transformers-neuronx never ended a text early. A processor obeys it. The sampler on the
# chip **ignores** it, so there an answer may be shorter. `temperature`, `top_k` and `top_p` say how the old library drew.
#
# ## Both sides, token by token
#
# Now run both. The old folder answers in the rehearsal, the translated request goes to the real vLLM, and both take the
# likeliest token each time. **Predict, then run.** How many tokens will be equal?

# %% id="nb10-c27" tags=["nbval-ignore-output"]
from inf2lab.migrate import comparison as compare_both

how, rows = compare_both(made, comparison)
print(how)

# %% [markdown] id="nb10-c28"
# That line says which of the two you see.

# %% id="nb10-c29"
for row in rows:
    print(f"{row.prompt!r}: {row.verdict}")
    print(wrap(repr(row.new), indent="  "))

# %% [markdown] id="nb10-c30"
# All of them, at `f16`, and at `f32` too. At `bf16` a few texts part. Then look at the margin: where the two best tokens
# are a hundredth of a logit apart, the difference is rounding. A large margin is a mistake in the translation.
#
# Both sides ran on a processor. It shows that the request was translated rightly. It says nothing of the chip's speed.
#
# ## Clients that cannot move yet
#
# One file lets vLLM take the old requests: a middleware. It is written beside the other files.

# %% id="nb10-c31"
import shutil

out = place / "moved"
shutil.rmtree(out, ignore_errors=True)
for path in made.write(out):
    print(path.relative_to(place))

# %% [markdown] id="nb10-c32"
# `bridge/bridge.py` is started with `--middleware bridge.Bridge`. It translates as you did by hand, and answers in the
# old form. What it cannot do stands in it. Read that before you promise it to anybody:

# %% id="nb10-c33"
import runpy

for limit in runpy.run_path(out / "bridge" / "bridge.py")["LIMITS"]:
    print(wrap(f"- {limit}"))

# %% [markdown] id="nb10-c34"
# The new folder is served, asked, loaded and stopped like the old one: `inf2lab serve logs/migrate/moved` starts the real
# vLLM with the bridge, where it is installed. On an instance `--lane inf2` starts the container.
#
# **Exercise:** [10 Where next](exercises/10_where_next.ipynb) moves a folder with rolling batch and int8. Ten minutes.
#
# Remove what this notebook wrote. Your folder was only read.

# %% id="nb10-c35"
shutil.rmtree(place)
print("left:", place.exists())

# %% [markdown] id="nb10-c36"
# ## Check yourself

# %% id="nb10-c37" tags=["check"]
check(
    "every key of the folder has a verdict",
    {key.removeprefix("option.") for key in folder.properties()} <= set(said),
    hint="run all cells from the folder on, in order",
)
check(
    "max_tokens is what the longest prompt leaves",
    body["max_tokens"] == 48 - 9,
    hint="seq_length counts the prompt too",
)
check(
    "old and new texts are equal, or part where it is rounding",
    all(row.equal or row.is_rounding for row in rows),
    hint="a large margin: look at the translated request",
)

# %% [markdown] id="nb10-c38"
# The whole list, with every key of the catalog and every source: [docs/where_next.md](../docs/where_next.md).
#
# **Next:** [99 Clean up](99_clean_up.ipynb), if anything still runs.
