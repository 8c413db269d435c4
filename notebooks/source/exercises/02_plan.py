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
# # Exercise 02: how far can it be split?
#
# After [02 Plan](../02_plan.ipynb). Five minutes; nothing is started.
#
# OPT-13B shall be served with **4 rows** a batch on an **inf2.24xlarge**, which has 12 cores. The degree may be 1, 2, 4,
# 8 or 12. Two questions:
#
# 1. Which is the smallest degree with which it surely fits?
# 2. How many copies of the model does the instance hold then?
#
# A small degree gives more copies, and more copies give more answers an hour.

# %% id="nb02-c02"
from dataclasses import replace

from inf2lab import Settings, check, plan

settings = Settings(instance="inf2.24xlarge", batch_size=4)
allowed = [1, 2, 4, 8, 12]
print(settings.model_id, "on", settings.hardware.cores, "cores")

# %% [markdown] id="nb02-c03"
# A plan knows whether a core holds its share. For one degree:

# %% id="nb02-c04"
one = plan(replace(settings, tensor_parallel_degree=1))
print(one.verdict.fit)

# %% [markdown] id="nb02-c05"
# Now yours. `plan(...).copies` lists the copies.

# %% id="nb02-c06"
degree, copies = 1, 12
# solution: take the first of `allowed` whose plan says "fits", and count its plan's copies
plans = {each: plan(replace(settings, tensor_parallel_degree=each)) for each in allowed}
degree = next(each for each, made in plans.items() if made.verdict.fit == "fits")
copies = len(plans[degree].copies)
# end of solution
print(degree, copies)

# %% [markdown] id="nb02-c07"
# ## Check yourself

# %% id="nb02-c08" tags=["check"]
fits = {each: plan(replace(settings, tensor_parallel_degree=each)).verdict.fit == "fits" for each in allowed}
check(
    "it fits with your degree",
    fits[degree],
    hint="plan(replace(settings, tensor_parallel_degree=...)).verdict",
)
check(
    "no smaller degree fits",
    not any(fits[each] for each in allowed if each < degree),
    hint="try the degrees in order, from 1 on",
)
check("the copies fill the cores", copies == 12 // degree, hint="a copy takes `degree` cores")

# %% [markdown] id="nb02-c09"
# The solution is in the exercise's source, [02_plan.py](../source/exercises/02_plan.py).
