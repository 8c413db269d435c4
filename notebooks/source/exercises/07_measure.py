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
# After [07 Measure the endpoint](../07_measure.ipynb). Fifteen minutes.
#
# Two small functions tell most of what a load test has to say: the **percentile**, and **Little's law**: requests under
# way = requests a second x seconds a request. It holds for every queue, also for this server.

# %% id="nb07-c02" tags=["parameters"]
port: int = 8080

# %% [markdown] id="nb07-c03"
# A server that takes a twentieth of a second an answer, one at a time.

# %% id="nb07-c04"
from inf2lab import ModelFolder, Server, Settings, check, enter_repository, measure, write_properties

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
# The percentile by nearest rank: the smallest value that at least `share` of all values do not exceed. The p50 of
# 1, 2, 3, 4 is 2. The p99 of a hundred values is the ninety-ninth.

# %% id="nb07-c08"
import math


def percentile(values, share):
    """Return the percentile of that share (0.99 for p99) by nearest rank."""
    ordered = sorted(values)
    rank = 1
    # solution: the rank is `share` of the number of values, rounded up
    rank = math.ceil(share * len(ordered))
    # end of solution
    return ordered[rank - 1]


print(percentile([4, 2, 1, 3], 0.5), percentile(range(1, 101), 0.99))

# %% [markdown] id="nb07-c09"
# Little's law: from what was measured to how many requests were under way.


# %% id="nb07-c10"
def under_way(requests_per_s, mean_ms):
    """Return how many requests were under way on average."""
    number = 0.0
    # solution: requests a second times seconds a request
    number += requests_per_s * mean_ms / 1000
    # end of solution
    return number


# %% [markdown] id="nb07-c11"
# Measure with two and with four clients. Each client always has one request under way.

# %% id="nb07-c12"
server = Server.start(settings, folder.path, report=lambda line: None)
target = measure.Target(url=server.endpoint.url, lane="rehearsal")
results = {n: measure.run(target, measure.Load(clients=n, requests=40)) for n in (2, 4)}
server.stop()
found = {n: under_way(result.requests_per_s, result.latency.mean) for n, result in results.items()}
print({n: round(number) for n, number in found.items()})

# %% [markdown] id="nb07-c13"
# Look: twice the clients, the same throughput, twice the latency. The server was busy all the time; more clients only
# wait longer.

# %% id="nb07-c14" tags=["check"]
check(
    "percentiles are values that were measured",
    [percentile([4, 2, 1, 3], 0.5), percentile(range(1, 101), 0.99), percentile([7], 0.5)] == [2, 99, 7],
    hint="math.ceil(share * len(ordered)) is a rank: 1 is the first",
)
check(
    "Little's law finds the clients",
    all(abs(number - n) < 0.4 * n for n, number in found.items()),
    hint="mean_ms are thousandths of a second",
)

# %% [markdown] id="nb07-c15"
# The solution is in the exercise's source, [07_measure.py](../source/exercises/07_measure.py).
