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

# %% [markdown] id="nb09-c01"
# # Exercise 09: price a load
#
# After [09 Scale out](../09_scale_out.ipynb). Twenty minutes; nothing is started.
#
# OPT-13B at degree 2 shall answer **5 requests a second**, each with 64 tokens in and 64 tokens out, one prompt a request.
# Three sizes of instance can do it. How many replicas, how many instances, how much an hour? And what does a million
# answered tokens cost?
#
# Two rules: on average at most **80 %** of the replicas may be busy. You can rent only whole instances.

# %% id="nb09-c02"
import math

from inf2lab.planning import plan_for, planned_pace

sizes = ["inf2.8xlarge", "inf2.24xlarge", "inf2.48xlarge"]
rate, tokens = 5, 64


def made_for(size):
    """Return the plan for one size."""
    lengths = {"input_tokens": tokens, "output_tokens": tokens}
    return plan_for("opt-13b", instance=size, tensor_parallel_degree=2, batch_size=1, **lengths)


for size in sizes:
    made = made_for(size)
    print(f"{size:14} {len(made.copies):2} copies, {planned_pace(made).seconds:.2f} s a request,", end=" ")
    print(f"{made.service.usd_per_hour} USD an hour")

# %% [markdown] id="nb09-c03"
# A replica is one copy with its server. It answers one request at a time. (The seconds are the planner's likeliest value, from
# published rows; nobody has measured this load.)


# %% id="nb09-c04"
def fleet(size):
    """Return replicas, instances and US dollars an hour for the load."""
    made = made_for(size)
    replicas = instances = usd_per_hour = 0
    # solution: busy replicas by Little's law, at most 80 % busy, whole instances
    replicas = math.ceil(rate * planned_pace(made).seconds / 0.8)
    instances = math.ceil(replicas / len(made.copies))
    usd_per_hour = instances * made.service.usd_per_hour
    # end of solution
    return replicas, instances, usd_per_hour


cheapest = ...
usd_a_million = ...
# solution: the name of the cheapest size; its price of an hour, divided by the tokens answered in an hour, times a million
cheapest = min(sizes, key=lambda size: fleet(size)[2])
usd_a_million = fleet(cheapest)[2] / (rate * tokens * 3600) * 1e6
# end of solution
print(*[(size, *fleet(size)) for size in sizes], cheapest, usd_a_million, sep="\n")

# %% [markdown] id="nb09-c05" tags=["reason"]
# **Why.** 5 a second x 3.92 s = 19.6 replicas are busy on average. With only 20 replicas, requests would wait very long. To have
# at most 80 % busy you need 25. You rent 25 small instances with one copy each, or 5 with six copies, or 3 with twelve. The
# middle size is the cheapest here: three large instances leave 11 copies idle, and the small ones cost more for each core. The
# answered tokens are what clients **ask** for, 320 a second. So a million costs more than in a fleet that is always full.
# `inf2lab plan --model opt-13b --rate 5 --input 64 --output 64` says the same, and what a lost replica adds.

# %% [markdown] id="nb09-c06"
# ## Check yourself

# %% id="nb09-c07" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("09_scale_out", globals())

# %% [markdown] id="nb09-c08"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
