# %%
# breaks: no process is left
def left_over():
    return ["a worker"]


# %%
# breaks: no server is on record
def all_servers():
    return ["opt13b"]


# %%
# breaks: no run on AWS is open
from types import SimpleNamespace

aws = SimpleNamespace(open_runs=lambda: ["a run"])

# %%
# breaks: the port is free
answers = True
