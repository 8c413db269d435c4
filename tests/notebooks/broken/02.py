# %%
# breaks: 8 divides the heads of OPT-13B
from dataclasses import replace

model = replace(model, heads=42)

# %%
# breaks: batch 3 at degree 2 does not fit
too_large = plans["degree 8, batch 2"]

# %%
# breaks: the article's devices are torn apart at degree 8
listed = [0, 1, 2, 3, 4, 5, 6, 7]

# %%
# breaks: your plan is legal and may fit
mine = plan(Settings(tensor_parallel_degree=2, batch_size=64))
