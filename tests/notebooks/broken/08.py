# %%
# breaks: each of your three failures led to its cause
first = drills.explain(logs["B"])

# %%
# breaks: your fix fits the cores
from inf2lab import plan

planned = plan(Settings(tensor_parallel_degree=2, batch_size=64))

# %%
# breaks: after a fix the server answers
fixed = refused

# %%
# breaks: every drill showed what is written about it
results = [dataclasses.replace(results[0], missing=("HTTP/1.1 503",))]

# %%
# breaks: nothing of this notebook is left
folder = ModelFolder.named("opt13b")
