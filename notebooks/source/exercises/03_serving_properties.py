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

# %% [markdown] id="nb03-c01"
# # Exercise 03: a file from six sentences
#
# After [03 Serve without code](../03_serving_properties.ipynb). Fifteen minutes; nothing is started.
#
# A customer sends you this, and wants a `serving.properties` back. The cell is empty on purpose.
#
# 1. We take DJLServing 0.25 and the handler that it brings along.
# 2. The model is `facebook/opt-6.7b`, on an inf2.8xlarge: one copy over both cores.
# 3. Our application sends up to four prompts in one request.
# 4. Prompt and answer together have at most 1024 tokens.
# 5. Sixteen bits a number are enough.
# 6. The load may take an hour, and not a second more. (The server must not collect requests of different clients into one batch.)

# %% id="nb03-c02"
from inf2lab.folder import parse_properties

print(parse_properties("engine = Python\n# a comment\noption.dtype : fp16").values())

# %% [markdown] id="nb03-c03"
# This is how the server reads a file. Write yours between the quotes: one key a line, seven or eight lines.

# %% id="nb03-c04"
text = """
"""
# solution: type the whole file between the quotes
text = """
engine=Python
option.entryPoint=djl_python.transformers_neuronx
option.model_id=facebook/opt-6.7b
option.tensor_parallel_degree=2
option.batch_size=4
option.n_positions=1024
option.dtype=fp16
option.model_loading_timeout=3600
"""
# end of solution
print(parse_properties(text).values())

# %% [markdown] id="nb03-c05" tags=["reason"]
# **Why.** The handler's name has underscores from 0.24 on, and the key `entryPoint` has a capital letter, which Java does not ignore.
# `option.batch_size` is the number of rows that the model is compiled for. `batch_size` without `option.` would let the server
# collect requests of several clients, so it stays out. The built-in handler says `fp16`; the library below it says `f16`. The
# time is in seconds. `n_positions` counts prompt **and** answer.

# %% [markdown] id="nb03-c06"
# ## Check yourself
#
# The check asks the linter last. It does not show the linter's words: find the line yourself.

# %% id="nb03-c07" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("03_serving_properties", globals())

# %% [markdown] id="nb03-c08"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
