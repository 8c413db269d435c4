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
# # Exercise 10: move a folder with rolling batch and int8
#
# After [10 Where next](../10_where_next.ipynb). Ten minutes; nothing is started.
#
# Somebody serves Llama-2-7B with DJLServing's own handler, with a rolling batch of 8 and weights in int8. It must move to
# `vllm-nxdi`. Three questions:
#
# 1. How many sequences does the new server run at once?
# 2. int8 needs something on disk that the old folder never needed. Which setting of `--additional-config` names it?
# 3. Which keys of the folder have **no** successor?

# %% id="nb10-c02"
import json

from inf2lab import ModelFolder, check, enter_repository, migrate, write_properties

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
write_properties(folder.properties_path, options)

# %% [markdown] id="nb10-c03"
# A migration has the launch as words, and the report as rows. A row has `what` is in use and its `verdict`; of a lost
# one, `row.verdict.lost` is true.

# %% id="nb10-c04"
made = migrate(folder.path, to="vllm-nxdi")
words = list(made.launch.words)
print(*words[:6], "...")

# %% [markdown] id="nb10-c05"
# Now yours. `words.index("--flag") + 1` is where a flag's value stands.

# %% id="nb10-c06"
at_once = 1
setting = "quantized"
gone = {"option.rolling_batch"}
# solution: read the value of --max-num-seqs, the JSON of --additional-config, and the rows that are lost
at_once = int(words[words.index("--max-num-seqs") + 1])
given = json.loads(words[words.index("--additional-config") + 1])["override_neuron_config"]
setting = next(name for name in given if name.endswith("_path"))
rows = made.sections["what the folder says"]
gone = {row.what.partition("=")[0] for row in rows if row.verdict.lost}
# end of solution
print(at_once, setting, sorted(gone))

# %% [markdown] id="nb10-c07"
# ## Check yourself

# %% id="nb10-c08" tags=["check"]
import shutil

shutil.rmtree(folder.path)
check("the rows of the rolling batch run at once", at_once == 8, hint="--max-num-seqs")
check(
    "the quantized weights have a folder",
    setting == "quantized_checkpoints_path",
    hint="they are written when the model is compiled, so they need a place",
)
check(
    "what is lost is named, and nothing else",
    gone == {"option.group_query_attention"},
    hint="the rows of `what the folder says` whose verdict is lost",
)

# %% [markdown] id="nb10-c09"
# The solution is in the exercise's source, [10_where_next.py](../source/exercises/10_where_next.py).
