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
# # Exercise 02: how many prompts at once?
#
# After [02 Plan](../02_plan.ipynb). Ten minutes; nothing is started.
#
# Find how an inf2.48xlarge works on the most prompts **at once**, with OPT-13B and texts of 2048 positions. Two things
# count: the rows of a batch, and the copies of the model. A small degree gives many copies with small batches. A large
# degree gives few copies with large ones.
#
# Use only the degrees and batches below. A batch counts only where the plan says `fits`: `uncertain` is not enough.

# %% id="nb02-c02"
from dataclasses import replace

from inf2lab import Settings, plan

settings = Settings(instance="inf2.48xlarge")
degrees = [2, 4, 8, 12, 24]
batches = [1, 2, 4, 8, 16, 32]
one = plan(replace(settings, tensor_parallel_degree=2, batch_size=4))
print(one.verdict.fit, "-", len(one.copies), "copies")

# %% [markdown] id="nb02-c03"
# Write the function, then use it to find the best degree. Guess first: which one will it be?


# %% id="nb02-c04"
def rows_at_once(degree):
    """Return the rows of all copies together, with the largest batch that fits."""
    rows = ...
    # solution: for each of `batches`, ask `plan` whether it fits; keep the largest, times the copies
    rows = 0
    for batch in batches:
        made = plan(replace(settings, tensor_parallel_degree=degree, batch_size=batch))
        if made.verdict.fit == "fits":
            rows = batch * len(made.copies)
    # end of solution
    return rows


best = ...
# solution: the degree with most rows at once
best = max(degrees, key=rows_at_once)
# end of solution
print({degree: rows_at_once(degree) for degree in degrees}, best)

# %% [markdown] id="nb02-c05" tags=["reason"]
# **Why.** Each copy holds all the weights. Twelve copies at degree 2 hold them twelve times, and little room is left for
# the cache of a row. At degree 12 two copies hold them twice, and the memory that this saves holds more rows. At degree 24 OPT's 40
# heads are padded to 48, and among the allowed batches 32 is the largest. (Most rows is not most tokens a second: notebook 02
# shows how much slower a large batch and a large degree make each step.)

# %% [markdown] id="nb02-c06"
# ## Check yourself

# %% id="nb02-c07" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("02_plan", globals())

# %% [markdown] id="nb02-c08"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
