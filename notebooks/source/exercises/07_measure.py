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

# %% [markdown] id="nb07-c01"
# # Exercise 07: read a measurement
#
# After [07 Measure the endpoint](../07_measure.ipynb). Twenty minutes.
#
# Three small functions tell most of what a load test has to say: the **percentile**, **Little's law** (requests under way =
# requests a second × seconds a request), and the **knee**: from there on more clients bring no more answers, they only wait.

# %% id="nb07-c02" tags=["parameters"]
port: int = 8080

# %% [markdown] id="nb07-c03"
# This server needs a twentieth of a second for an answer, and works on one request at a time.

# %% id="nb07-c04"
from inf2lab import ModelFolder, Server, Settings, enter_repository, measure, write_properties

enter_repository()
settings = Settings.from_notebook(globals()).beside()
folder = ModelFolder.named("exercise_07")
_ = write_properties(folder.properties_path, {"engine": "Python"})

# %% [markdown] id="nb07-c05"
# Its handler:

# %% id="nb07-c06"
# %%writefile models/exercise_07/model.py
# import time
#
# from djl_python import Input, Output
#
#
# def handle(inputs: Input):
#     if inputs.is_empty():
#         return None
#     text = inputs.get_as_json()["text"]
#     time.sleep(0.05)
#     return Output().add_as_json({"outputs": text})

# %% [markdown] id="nb07-c07"
# The percentile by nearest rank is the smallest value of this kind: at least `share` of all values are not larger than it.
# The p50 of 1, 2, 3, 4 is 2. The p99 of a hundred values is the ninety-ninth.

# %% id="nb07-c08"
import math
from itertools import pairwise


def percentile(values, share):
    """Return the percentile of that share (0.99 for p99) by nearest rank."""
    ordered = sorted(values)
    rank = 1
    # solution: the rank is `share` of the number of values, rounded up
    rank = math.ceil(share * len(ordered))
    # end of solution
    return ordered[rank - 1]


p90_of_8 = ...
# solution: of eight values, which one is the p90? "smallest", "middle" or "largest"
p90_of_8 = "largest"
# end of solution
print(percentile([4, 2, 1, 3], 0.5), percentile(range(1, 101), 0.99), p90_of_8)

# %% [markdown] id="nb07-c09" tags=["reason"]
# **Why.** 0.9 × 8 = 7.2, rounded up 8: the p90 of eight values is the largest one. So a p90 or p99 of few requests says no
# more than the maximum. Have at least ten requests beyond a percentile: 100 in all for a p90, 1000 for a p99.

# %% [markdown] id="nb07-c10"
# Little's law: calculate from a measurement how many requests were under way.


# %% id="nb07-c11"
def under_way(requests_per_s, mean_ms):
    """Return how many requests were under way on average."""
    number = 0.0
    # solution: requests a second times seconds a request
    number += requests_per_s * mean_ms / 1000
    # end of solution
    return number


# %% [markdown] id="nb07-c12"
# The knee, by a rule that looks only at neighbours (notebook 07 compares with the highest throughput): take the first load
# whose next load brings **less than a tenth** more requests a second. If there is none, take the last load.


# %% id="nb07-c13"
def knee(curve):
    """Return the clients at the knee; `curve` holds (clients, requests a second), in the order of the clients."""
    clients = 0
    # solution: compare each load with the next one
    clients = curve[-1][0]
    for (here, rate), (_, next_rate) in pairwise(curve):
        if next_rate < 1.1 * rate:
            clients = here
            break
    # end of solution
    return clients


# %% [markdown] id="nb07-c14" tags=["reason"]
# **Why.** Below the knee the server has time left: another client brings another answer. Beyond it the server is always busy,
# and by Little's law each further client makes everybody wait longer. So the knee is the number of requests that the server works
# on at once: workers times rows that are really filled.

# %% [markdown] id="nb07-c15"
# Measure with one to eight clients. Each client always has one request under way.

# %% id="nb07-c16" tags=["server"]
server = Server.start(settings, folder.path, report=lambda line: None)
target = measure.Target(url=server.endpoint.url, lane="rehearsal")
results = {n: measure.run(target, measure.Load(clients=n, requests=40)) for n in (1, 2, 4, 8)}
server.stop()
for n, result in results.items():
    found = under_way(result.requests_per_s, result.latency.mean)
    print(f"{n} clients: {result.requests_per_s:5.1f} requests/s, under way {found:.1f}")
print("knee:", knee([(n, result.requests_per_s) for n, result in results.items()]))

# %% [markdown] id="nb07-c17"
# Look: twice the clients, the same throughput, twice the latency. One worker is busy all the time, so its knee is at one
# client.

# %% id="nb07-c18" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("07_measure", globals())

# %% [markdown] id="nb07-c19"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
