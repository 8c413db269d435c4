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
# # Exercise 10: move one folder, then make two from nothing
#
# After [10 Where next](../10_where_next.ipynb). Ten minutes for part 1, half an hour for part 2; nothing is started.
#
# Part 2 is a small project: it asks for what you learned in 02, 03, 09 and 10.
#
# ## 1. A folder with rolling batch and int8
#
# Somebody serves Llama-2-7B with DJLServing's own handler, with a rolling batch of 8 and weights in int8. It must move to
# `vllm-nxdi`. Three questions:
#
# 1. How many sequences does the new server run at once?
# 2. int8 needs something on disk that the old folder never needed. Which setting of `--additional-config` names it?
# 3. Which keys of the folder have **no** successor?

# %% id="nb10-c02"
import json

from inf2lab import ModelFolder, Settings, enter_repository, lint, migrate, write_properties

enter_repository()
folder = ModelFolder.named("exercise_migrate")
folder.path.mkdir(exist_ok=True)
options = {
    "engine": "Python",
    "option.model_id": "meta-llama/Llama-2-7b-hf",
    "option.tensor_parallel_degree": 2,
    "option.n_positions": 2048,
    "option.rolling_batch": "auto",
    "option.max_rolling_batch_size": 8,
    "option.load_in_8bit": "true",
    "option.group_query_attention": "replicated-heads",
}
_ = write_properties(folder.properties_path, options)

# %% [markdown] id="nb10-c03"
# A migration holds the launch as words. Its report is in `made.sections`: headings, each with its rows. A row has `what` (for
# the folder, one of its lines) and a `verdict`. Where something is lost, `row.verdict.lost` is true.

# %% id="nb10-c04"
made = migrate(folder.path, to="vllm-nxdi")
words = list(made.launch.words)
print(*words[:6], "...")

# %% [markdown] id="nb10-c05"
# Now it is your turn. The value of a flag is at `words.index("--flag") + 1`.

# %% id="nb10-c06"
at_once = ...
setting = ...
gone = ...
# solution: the value of --max-num-seqs, a name in the JSON of --additional-config, and the set of lost keys
at_once = int(words[words.index("--max-num-seqs") + 1])
given = json.loads(words[words.index("--additional-config") + 1])["override_neuron_config"]
setting = next(name for name in given if name.endswith("_path"))
rows = made.sections["what the folder says"]
gone = {row.what.partition("=")[0] for row in rows if row.verdict.lost}
# end of solution
print(at_once, setting, gone)

# %% [markdown] id="nb10-c07" tags=["reason"]
# **Why.** A rolling batch of 8 becomes `--max-num-seqs 8`: the most that run at once. int8 weights were made while the old
# server loaded. NxD Inference makes them when it compiles, and keeps them: so they need a folder, and the first start needs time
# for it. `group_query_attention` chose how the old library copied heads; the new one decides by itself.

# %% [markdown] id="nb10-c08"
# ## 2. Two folders from nothing
#
# A customer wants Llama-2-7B, 16 bits, with the built-in handler of DJLServing 0.25. **2 requests a second** arrive. Each is
# one prompt of 128 tokens, and its answer has 128.
#
# - `slow`: 99 % of the answers within **20 seconds**, as cheap as possible.
# - `quick`: 99 % within **3 seconds**, as cheap as possible.
#
# Choose for each: the file, and the inf2 instance. The function below writes a folder, lints it, plans it and prices it. (With
# static batches a file for single prompts has `option.batch_size=1`.) At the end, move the quick folder to `vllm-nxdi`.

# %% id="nb10-c09"
from inf2lab.planning import capacity, plan_of_files


def look(text, instance, p99_s):
    """Write the folder, print what linter and planner say of it, and return the price of an hour."""
    settings = Settings(profile="djl-0.25", instance=instance)
    folder.properties_path.write_text(text)
    print(*lint(folder.path, settings).findings, sep="\n")
    plan = plan_of_files(folder.path, [], settings, {"input_tokens": 128, "output_tokens": 128})
    needed = capacity(plan, rate=2, p99_s=p99_s)
    print(plan.verdict.text, plan.host.text, sep="\n")
    print(f"{needed.replicas} replicas, {needed.instances} x {instance}: {needed.usd_per_hour} USD an hour")
    return needed.usd_per_hour


_ = look("engine=Python\noption.model_id=gpt2\noption.tensor_parallel_degree=2\n", "inf2.xlarge", 20)

# %% [markdown] id="nb10-c10"
# Your turn. Call `look` as often as you like. At the end, the names below must hold your choice.

# %% id="nb10-c11"
slow = ...
slow_instance = ...
quick = ...
quick_instance = ...
usd = {"slow": ..., "quick": ...}
launch = ...
# solution: two texts, two instances, two prices by `look`, and the words that launch the quick one's successor
slow = """
engine=Python
option.entryPoint=djl_python.transformers_neuronx
option.model_id=meta-llama/Llama-2-7b-hf
option.tensor_parallel_degree=2
option.batch_size=1
option.n_positions=256
option.dtype=fp16
option.model_loading_timeout=7200
"""
slow_instance = "inf2.24xlarge"
quick = slow.replace("degree=2", "degree=4")
quick_instance = "inf2.24xlarge"
usd = {"slow": look(slow, slow_instance, 20), "quick": look(quick, quick_instance, 3)}
launch = migrate(folder.path, to="vllm-nxdi", settings=Settings(instance=quick_instance)).launch.words
# end of solution

# %% [markdown] id="nb10-c12" tags=["reason"]
# **Why.** inf2.xlarge looks cheapest, and its cores hold the model. But its host has 16 GiB and cannot load it. Of the sizes that can,
# six copies on one inf2.24xlarge share one host, so a core costs less than on inf2.8xlarge: two of them are enough for 20 seconds
# (one inf2.48xlarge costs a thousandth more). For 3 seconds degree 2 is too slow, whatever the number: one answer alone takes
# 3.5 seconds. Degree 4 answers in 2, and three instances of three copies keep the tail short. Degree 8 answers sooner, and
# costs more: one copy leaves 4 of 12 cores idle. The successor starts **one** copy: nine servers, where DJLServing started three
# copies on each of three instances.

# %% [markdown] id="nb10-c13"
# ## Check yourself

# %% id="nb10-c14"
import shutil

shutil.rmtree(folder.path)

# %% [markdown] id="nb10-c15"
# The check writes your files anew, in a folder of its own.

# %% id="nb10-c16" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("10_where_next", globals())

# %% [markdown] id="nb10-c17"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
